import assert from "node:assert/strict";
import { CpuGenerator } from "../../run/noise.ts";
import { StepRandom } from "../../train/draws.ts";
import { PythonRandom } from "../../train/python_random.ts";
import { learningRate } from "../../train/schedule.ts";
import { GOLDENS, openGolden } from "../support/far.ts";
import { goldenRun } from "../support/train.ts";

/** `[random.Random(seed).randint(3, 99) for _ in range(6)]` in CPython 3.11. */
const PYTHON_DRAWS: readonly [number, number[]][] = [
  [0, [52, 56, 8, 36, 68, 65]],
  [1, [20, 75, 11, 35, 18, 66]],
  [531, [96, 90, 19, 97, 59, 77]],
  [2 ** 40 + 3, [31, 10, 73, 15, 75, 41]],
];

for (const [seed, expected] of PYTHON_DRAWS) {
  Deno.test(`PythonRandom draws as random.Random(${seed}) does`, () => {
    const random = new PythonRandom(seed);
    assert.deepEqual(expected.map(() => random.randint(3, 99)), expected);
  });
}

Deno.test("PythonRandom draws from ranges of any size, and continues from a state", () => {
  const random = new PythonRandom(42);
  const ranges = [0, 1, 5, 283, 1000, 2 ** 31 - 1];
  assert.deepEqual(ranges.map((n) => random.randint(0, n)), [0, 0, 5, 140, 250, 958682846]);
  const { state } = random;
  const rest = [0, 0, 5, 279, 89, 1812140441];
  assert.deepEqual(ranges.map((n) => random.randint(0, n)), rest);
  random.state = state;
  assert.deepEqual(ranges.map((n) => random.randint(0, n)), rest);
});

Deno.test("CpuGenerator draws as torch does after manual_seed(5), and continues from a state", () => {
  const torch = new CpuGenerator(5);
  assert.equal(torch.randint(16, 300), 107);
  assert.deepEqual([...torch.randn(3)], [
    1.2783596515655518,
    0.07146187126636505,
    1.973966360092163,
  ]);
  const { state } = torch;
  for (let again = 0; again < 2; again++) {
    assert.deepEqual([...torch.rand(2)], [0.9941847324371338, 0.6064285635948181]);
    assert.equal(torch.randint(0, 7), 6);
    assert.deepEqual([...torch.randn(2)], [-0.8814113140106201, -1.4017020463943481]);
    torch.state = state;
  }
});

for (const name of ["far-uncond", "far-label", "far-action", "far-long", "far-long-flexrope"]) {
  Deno.test(`StepRandom draws what the released trainer drew for ${name}`, async () => {
    const { settings, steps } = await goldenRun(name);
    const golden = await openGolden(`train/${name}/step1.safetensors`);
    const random = new StepRandom(steps[0]!.seed);
    const draws = random.draw(settings, settings.batch, settings.frames);
    assert.equal(draws.frames, steps[0]!.frames);
    assert.deepEqual([...draws.sigmaIndex], await golden.integers("sigma_index"));
    const timesteps = await golden.floats("timestep");
    assert.deepEqual([...draws.clean], [...timesteps].map((t) => Number(t === -1)));
    if (golden.has("draw.start_frame")) {
      assert.deepEqual([draws.start], await golden.integers("draw.start_frame"));
    }
    if (golden.has("cond.used")) {
      const used = await golden.integers("cond.used");
      const { count } = settings.config.condition;
      assert.deepEqual([...draws.dropped], used.map((value) => Number(value === count)));
    }
    golden.close();
  });
}

Deno.test("learningRate() follows the released schedules", async () => {
  const tables = JSON.parse(await Deno.readTextFile(`${GOLDENS}train/schedules.json`));
  for (const schedule of ["constant", "cosine"] as const) {
    const table = tables[`${schedule}_with_warmup`];
    const { lr, num_warmup_steps: warmup, num_training_steps: steps = 1000 } = table;
    for (const [i, expected] of table.lr_at_step.entries()) {
      const actual = learningRate({ lr, schedule, warmup, steps }, i + 1);
      assert.ok(
        Math.abs(actual - expected) <= 1e-12 * lr,
        `${schedule} ${i}: ${actual}, ${expected}`,
      );
    }
  }
});
