import assert from "node:assert/strict";
import { listParameters } from "../../train/parameters.ts";
import {
  type ParameterSource,
  type StepResult,
  type TrainBatch,
  Trainer,
  type TrainerSettings,
} from "../../train/trainer.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";
import { SMALL, SMALL_CONFIG, SMALL_WEIGHTS, smallBatch } from "./small_trainer.ts";

/** Two batches as one. */
function both(a: TrainBatch, b: TrainBatch): TrainBatch {
  return {
    ...a,
    videos: a.videos + b.videos,
    latents: Float32Array.of(...a.latents, ...b.latents),
    classes: Int32Array.of(...a.classes!, ...b.classes!),
  };
}

async function withTrainer<T>(
  settings: Partial<TrainerSettings>,
  body: (trainer: Trainer) => Promise<T>,
  weights: ParameterSource | "init" = SMALL_WEIGHTS,
): Promise<T> {
  const trainer = await Trainer.open(await testGpu(), { ...SMALL, ...settings }, weights);
  try {
    return await body(trainer);
  } finally {
    trainer.close();
  }
}

/** Trains on these batches. Returns what each step gave, and all that is left. */
async function train(trainer: Trainer, batches: readonly TrainBatch[]) {
  const results: StepResult[] = [];
  for (const batch of batches) {
    const before = await trainer.submit(batch);
    if (before) results.push(before);
  }
  const last = await trainer.flush();
  if (last) results.push(last);
  return { results, state: await trainer.state() };
}

const BATCHES = [1, 2, 3].map((seed) => smallBatch(4, seed));

/** What it gives is the same each time, which the first test asks: it is computed once. */
function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => result ??= compute();
}

const wholeRun = () => withTrainer({}, (trainer) => train(trainer, BATCHES));
const trained = once(wholeRun);
const gradients = once(() => withTrainer({}, (trainer) => trainer.gradients(BATCHES[0]!)));

Deno.test({ name: "Trainer gives the same bits every time", ...GPU_TEST }, async () => {
  const [a, b] = [await trained(), await wholeRun()];
  assert.equal(a.results.length, 3);
  assert.deepEqual(a, b);
});

Deno.test({ name: "Trainer continues from a state bit for bit", ...GPU_TEST }, async () => {
  const whole = await trained();
  const half = await withTrainer({}, (trainer) => train(trainer, BATCHES.slice(0, 1)));
  const rest = await withTrainer({ seed: 99 }, async (trainer) => {
    await trainer.restore(half.state);
    return await train(trainer, BATCHES.slice(1));
  }, "init");
  assert.deepEqual(rest.state, whole.state);
  assert.deepEqual([...half.results, ...rest.results], whole.results);
});

Deno.test(
  { name: "Trainer gives up a long step as if it had never begun", ...GPU_TEST },
  async () => {
    const settings = { microBatch: 1, accumulate: 2, batch: 2 };
    const [a, b, c, d] = [1, 2, 3, 4].map((seed) => smallBatch(2, seed)) as [
      TrainBatch,
      TrainBatch,
      TrainBatch,
      TrainBatch,
    ];
    const whole = await withTrainer(settings, (trainer) => train(trainer, [a, b, c, d]));
    await withTrainer(settings, async (trainer) => {
      await trainer.submit(a);
      await trainer.submit(b);
      const before = await trainer.state();
      const stop = new AbortController();
      await trainer.submit(c, stop.signal);
      stop.abort();
      // its duration is unknown yet, so the first pass is waited for
      const first = await trainer.submit(d, stop.signal);
      assert.deepEqual([trainer.step, first?.step], [1, 1]);
      assert.deepEqual(await trainer.state(), before);
      const { results, state } = await train(trainer, [c, d]);
      assert.deepEqual([first, ...results], whole.results);
      assert.deepEqual(state, whole.state);
    });
  },
);

Deno.test(
  { name: "Trainer gives the same bits when blocks are recomputed", ...GPU_TEST },
  async () => {
    const kept = await trained();
    assert.ok(!Trainer.plan(SMALL, (await testGpu()).adapter).recompute);
    await withTrainer({ recompute: true }, async (trainer) => {
      assert.ok(trainer.plan.recompute);
      assert.deepEqual(await train(trainer, BATCHES), kept);
    });
  },
);

Deno.test({ name: "Trainer's micro-batches add up to the batch", ...GPU_TEST }, async () => {
  const whole = await gradients();
  for (const microBatch of [1, 2, 3]) {
    const parts = await withTrainer({ microBatch }, (trainer) => trainer.gradients(BATCHES[0]!));
    assert.ok(Math.abs(parts.loss / whole.loss - 1) < 1e-6);
    for (const [name, gradient] of whole.gradients) {
      assertClose(parts.gradients.get(name)!, gradient, 2e-6, name);
    }
  }
});

Deno.test({ name: "Trainer's accumulation equals one large batch", ...GPU_TEST }, async () => {
  const [a, b, c, d] = [1, 2, 3, 4].map((seed) => smallBatch(2, seed)) as [
    TrainBatch,
    TrainBatch,
    TrainBatch,
    TrainBatch,
  ];
  const large = await withTrainer({}, (trainer) => train(trainer, [both(a, b), both(c, d)]));
  const parts = await withTrainer(
    { batch: 2, accumulate: 2, microBatch: 2 },
    (trainer) => train(trainer, [a, b, c, d]),
  );
  for (const [i, { loss, gradNorm }] of large.results.entries()) {
    assert.ok(Math.abs(parts.results[i]!.loss / loss - 1) < 1e-6);
    assert.ok(Math.abs(parts.results[i]!.gradNorm / gradNorm - 1) < 1e-6);
  }
  for (const [name, moment] of large.state.expAvg) {
    assertClose(parts.state.expAvg.get(name)!, moment, 1e-5, name);
  }
});

/** The calls that a device gets while `body` runs. */
async function countCalls(body: () => Promise<unknown>): Promise<Record<string, number>> {
  const { device } = await testGpu();
  const counts: Record<string, number> = {};
  const spied: [object, string][] = [
    [device.queue, "submit"],
    ...["Buffer", "Texture", "BindGroup", "ComputePipeline", "CommandEncoder"]
      .map((what): [object, string] => [device, `create${what}`]),
  ];
  for (const [target, name] of spied) {
    const original = Reflect.get(target, name) as (...args: unknown[]) => unknown;
    counts[name] = 0;
    const spy = (...args: unknown[]) => {
      counts[name]! += 1;
      return original.apply(target, args);
    };
    Object.defineProperty(target, name, { value: spy, configurable: true });
  }
  try {
    await body();
  } finally {
    for (const [target, name] of spied) Reflect.deleteProperty(target, name);
  }
  return counts;
}

for (const microBatch of [4, 2]) {
  Deno.test({
    name: `Trainer submits once per micro-batch of ${microBatch}, and makes nothing`,
    ...GPU_TEST,
  }, async () => {
    const steps = 3;
    const settings = { microBatch, trainingType: "base" as const };
    await withTrainer(settings, async (trainer) => {
      for (const batch of BATCHES) await trainer.submit(batch);
      const calls = await countCalls(async () => {
        for (let i = 0; i < steps; i++) await trainer.submit(BATCHES[i]!);
      });
      const passes = steps * 4 / microBatch;
      // and one small copy per step, by which the loss of the step before is read
      assert.deepEqual(calls, {
        submit: passes + steps,
        createBuffer: steps,
        createTexture: 0,
        createBindGroup: 0,
        createComputePipeline: 0,
        createCommandEncoder: passes + steps,
      });
    });
  });
}

Deno.test({ name: "Trainer takes the memory it planned", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  for (const settings of [{}, { recompute: true }, { microBatch: 1 }, { ema: undefined }]) {
    const base = { ...SMALL, ...settings, trainingType: "base" as const };
    const before = gpu.allocatedBytes;
    const planned = Trainer.plan(base, gpu.adapter);
    await withTrainer(base, async (trainer) => {
      await train(trainer, [BATCHES[0]!]);
      assert.deepEqual(trainer.plan, planned);
      assert.equal(gpu.allocatedBytes - before, planned.bytes.total);
    });
  }
});

Deno.test("Trainer.plan recomputes blocks, then takes fewer videos, as memory asks for it", () => {
  const plan = (memory?: number) => Trainer.plan(SMALL, { cpu: false }, { memory });
  const whole = plan();
  assert.deepEqual([whole.microBatch, whole.recompute], [4, false]);
  const recomputed = plan(whole.bytes.total - 1);
  assert.deepEqual([recomputed.microBatch, recomputed.recompute], [4, true]);
  assert.ok(recomputed.flops > whole.flops);
  assert.equal(plan(1).microBatch, 1);
});

Deno.test("Trainer.plan takes fewer videos where a software adapter's images end early", () => {
  const plan = (texture: number) =>
    Trainer.plan({ ...SMALL, batch: 64 }, { cpu: true, subgroupSize: 8 }, { texture }).microBatch;
  // 1280 rows of 256 floats; of 32 videos 640
  assert.deepEqual([1_310_720, 1_310_719, 655_360].map(plan), [64, 32, 32]);
});

const WRONG: readonly [Partial<TrainerSettings>, RegExp][] = [
  [{ batch: 0 }, /batch must be a whole number above 0, not 0/],
  [{ height: 3 }, /latents of 3x2 cannot be divided into patches of 2/],
  [{ frames: 2 }, /2 frames leave no long context beyond a window of 2/],
  [{ freeze: ["*"] }, /everything is frozen/],
  [{ freeze: ["block*"] }, /Cannot freeze "block\*": no parameter matches/],
  [{ lora: { rank: 4, targets: ["to_x"] } }, /adapters of "to_x": no layer matches/],
  [{ lora: { rank: 3, targets: ["to_q"] } }, /adapters of rank 3: a multiple of 4/],
];

for (const [settings, message] of WRONG) {
  Deno.test(`Trainer.plan refuses ${JSON.stringify(settings)}`, () => {
    assert.throws(() => Trainer.plan({ ...SMALL, ...settings }, { cpu: true }), message);
  });
}

Deno.test({ name: "Trainer refuses batches of other sizes and classes", ...GPU_TEST }, async () => {
  await withTrainer({}, async (trainer) => {
    const [batch] = BATCHES;
    await assert.rejects(trainer.submit({ ...batch!, frames: 4 }), /4 videos of 4 frames, not/);
    await assert.rejects(trainer.submit({ ...batch!, classes: undefined }), /0 actions, not 20/);
    const classes = new Int32Array(20).fill(4);
    await assert.rejects(trainer.submit({ ...batch!, classes }), /action 4 is not one of 3/);
  });
});

Deno.test(
  { name: "Trainer leaves weights alone when a step is not finite", ...GPU_TEST },
  async () => {
    await withTrainer({}, async (trainer) => {
      const before = await trainer.state();
      const latents = BATCHES[0]!.latents.map((value) => value * 1e30);
      const { results, state } = await train(trainer, [{ ...BATCHES[0]!, latents }]);
      assert.equal(results[0]!.finite, false);
      for (const copy of ["parameters", "expAvg", "expAvgSq", "ema"] as const) {
        assert.deepEqual(state[copy], before[copy]);
      }
      const after = await train(trainer, [BATCHES[1]!]);
      assert.ok(after.results[0]!.finite);
    });
  },
);

Deno.test(
  { name: "Trainer.validate changes nothing, and is the same each time", ...GPU_TEST },
  async () => {
    await withTrainer({}, async (trainer) => {
      await train(trainer, BATCHES.slice(0, 1));
      const before = await trainer.state();
      const losses = [
        await trainer.validate(BATCHES[1]!, 5),
        await trainer.validate(BATCHES[1]!, 5),
      ];
      assert.ok(losses[0]! > 0);
      assert.equal(losses[0], losses[1]);
      assert.notEqual(await trainer.validate(BATCHES[1]!, 6), losses[0]);
      assert.deepEqual(await trainer.state(), before);
    });
  },
);

/** Patterns, and whether a parameter is still trained with them. */
const FREEZES: readonly [string[], (name: string) => boolean][] = [
  [["transformer_blocks.*"], (name) => !name.startsWith("transformer_blocks.")],
  [["*embedder.*"], (name) => !name.includes("embedder.")],
  [["*embedder.*", "transformer_blocks.0.*"], (name) => !/embedder\.|blocks\.0/.test(name)],
  [["*.weight"], (name) => !name.endsWith(".weight")],
  [["transformer_blocks.1.attn.to_q.*"], (name) => !name.includes("1.attn.to_q.")],
  [["[a-z]*", "norm*", "proj_out*"].slice(1), (name) => !/^(norm|proj_out)/.test(name)],
];

for (const [freeze, isTrained] of FREEZES) {
  const title = `Trainer trains what ${freeze.join(" ")} leaves, as if nothing were frozen`;
  Deno.test({ name: title, ...GPU_TEST }, async () => {
    const all = await gradients();
    await withTrainer({ freeze }, async (trainer) => {
      const found = await trainer.gradients(BATCHES[0]!);
      const expected = [...all.gradients].filter(([name]) => isTrained(name));
      assert.deepEqual([...found.gradients].toSorted(), expected.toSorted());
      const before = await trainer.parameters("live");
      await train(trainer, BATCHES.slice(0, 1));
      for (const [name, values] of await trainer.parameters("live")) {
        if (!isTrained(name)) assert.deepEqual(values, before.get(name), name);
      }
    });
  });
}

/** a [rows, inner] times b [inner, columns], either of them transposed. */
function product(
  [a, b]: readonly [Float32Array, Float32Array],
  [rows, inner, columns]: readonly [number, number, number],
  { transposeA = false, transposeB = false } = {},
): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < inner; k++) {
        const x = a[transposeA ? k * rows + i : i * inner + k]!;
        out[i * columns + j]! += x * b[transposeB ? j * inner + k : k * columns + j]!;
      }
    }
  }
  return out;
}

const LORAS = [
  ["to_q", "to_k", "to_v", "to_out.0"],
  ["add_k_proj", "to_add_out"],
  ["mlp.net.0.proj", "mlp.net.2", "norm1.linear", "proj_out", "x_embedder"],
  ["transformer_blocks.1.attn.to_v"],
  ["timestep_embedder.linear_1", "context_embedder"],
];

for (const targets of LORAS) {
  // the chain rule gives the adapters' gradients from those of the weights they are added to
  Deno.test({ name: `Trainer trains adapters of ${targets} alone`, ...GPU_TEST }, async () => {
    const lora = { rank: 4, targets, alpha: 2 };
    const scale = lora.alpha / lora.rank;
    await withTrainer({ lora }, async (trainer) => {
      const state = await trainer.state();
      const adapters = await trainer.parameters("live");
      assert.ok(
        [...adapters.keys()].every((name) => /^transformer\..*\.lora_[AB]\.weight$/.test(name)),
      );
      for (const [i, name] of [...adapters.keys()].entries()) {
        const values = randomFloats(adapters.get(name)!.length, 70 + i, 0.3);
        state.parameters.set(name, values);
        adapters.set(name, values);
      }
      await trainer.restore(state);
      const { loss, gradients } = await trainer.gradients(BATCHES[0]!);
      assert.deepEqual([...gradients.keys()].toSorted(), [...adapters.keys()].toSorted());
      const merged: ParameterSource = async (name, shape) => {
        const weight = await SMALL_WEIGHTS(name, shape);
        const layer = `transformer.${name.slice(0, -".weight".length)}`;
        const [a, b] = ["A", "B"].map((x) => adapters.get(`${layer}.lora_${x}.weight`));
        if (!a || !b || !name.endsWith(".weight")) return weight;
        const change = product([b, a], [shape[0]!, 4, shape[1]!]);
        return weight.map((value, i) => value + scale * change[i]!);
      };
      const full = await withTrainer({}, (other) => other.gradients(BATCHES[0]!), merged);
      assert.ok(Math.abs(loss / full.loss - 1) < 1e-5, `${loss}, not ${full.loss}`);
      for (
        const { name, shape: [n, k] } of listParameters(SMALL_CONFIG) as {
          name: string;
          shape: [number, number];
        }[]
      ) {
        const layer = `transformer.${name.slice(0, -".weight".length)}`;
        const [a, b] = ["A", "B"].map((x) => adapters.get(`${layer}.lora_${x}.weight`));
        if (!a || !b || !name.endsWith(".weight")) continue;
        const dw = full.gradients.get(name)!;
        const db = product([dw, a], [n, k, 4], { transposeB: true });
        const da = product([b, dw], [4, n, k], { transposeA: true });
        assertClose(
          gradients.get(`${layer}.lora_B.weight`)!,
          db.map((v) => scale * v),
          2e-5,
          layer,
        );
        assertClose(
          gradients.get(`${layer}.lora_A.weight`)!,
          da.map((v) => scale * v),
          2e-5,
          layer,
        );
      }
    });
  });
}
