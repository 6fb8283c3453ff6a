import assert from "node:assert/strict";
import { Memory, size, type Tensor } from "../../../gpu/memory.ts";
import { Program } from "../../../gpu/program.ts";
import { tensorKind } from "../../../gpu/tuning.ts";
import { inKind } from "../../../kernels/copy.ts";
import {
  discriminatorParameters,
  discriminatorShapes,
  fromDevice,
  initialDiscriminator,
  judge,
  onDevice,
} from "../../../train/autoencoder/discriminator.ts";
import { PackedWeights, type Tape } from "../../../train/autoencoder/layers.ts";
import { groupLabel, isStatistic } from "../../../train/autoencoder/parameters.ts";
import { ParameterStore } from "../../../train/parameters.ts";
import { judgeTwin } from "../../reference/discriminator.ts";
import { differences } from "../../reference/training.ts";
import { assertClose } from "../../support/close.ts";
import { GPU_TEST, KERNELS, testGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";

const FILTERS = 4;
/** The first and the last of many. */
const FEW = 6;

type Place = readonly [b: number, h: number, w: number];

function randomWeights(): Record<string, Float32Array> {
  return Object.fromEntries(
    [...discriminatorShapes(FILTERS)].map(([name, shape], i) => [
      name,
      isStatistic(name)
        ? new Float32Array(size(shape)).fill(1)
        : randomFloats(size(shape), 3 + i, shape.length > 1 ? 0.3 : 1),
    ]),
  );
}

/** Pictures with a fourth channel of zeros. */
function padded(pictures: Float32Array): Float32Array {
  const four = new Float32Array(pictures.length / 3 * 4);
  pictures.forEach((value, i) => four[Math.floor(i / 3) * 4 + i % 3] = value);
  return four;
}

/** Runs the discriminator forward and backward, to weights and to pictures, on the device. */
async function runJudge(
  by: string,
  place: Place,
  weights: Readonly<Record<string, Float32Array>>,
  { pictures, slopes }: { readonly pictures: Float32Array; readonly slopes: Float32Array },
) {
  const gpu = await testGpu();
  const device = KERNELS[by]!(gpu);
  const memory = new Memory();
  const parameters = discriminatorParameters(FILTERS);
  const isTrained = (name: string) => !isStatistic(name);
  const store = new ParameterStore(memory, parameters, {
    ...{ isTrained, ema: false, labelOf: groupLabel },
  });
  const program = new Program("judge", memory, device);
  const packed = new PackedWeights(memory, device, parameters);
  const tape: Tape = {
    ...{ program, store, packed, known: new Set(), copied: {}, training: true, recompute: false },
  };
  const given = memory.tensor("pictures", [...place, 4]);
  const all: { logits?: Tensor; slopes?: Tensor; dx?: Tensor } = {};
  program.scope(() => {
    const kind = tensorKind(device);
    const { logits, back, again } = judge(tape, FILTERS, inKind(program, given, kind));
    all.logits = inKind(program, logits, "storage");
    all.slopes = memory.tensor("slopes", logits.shape);
    const slope = () => {
      const copy = program.like(logits, logits.shape); // the gradient may be overwritten
      return kind === "storage" ? all.slopes! : inKind(program, all.slopes!, copy.buffer.kind);
    };
    program.scope(() => back(slope(), "weights"));
    all.dx = inKind(program, back(slope(), "pictures"), "storage");
    again();
  });
  program.finish();
  memory.allocate(gpu);
  try {
    const shapes = discriminatorShapes(FILTERS);
    await store.fill(
      gpu,
      (name) => Promise.resolve(onDevice(weights[name]!, shapes.get(name)!)),
    );
    gpu.write(given.buffer, 0, padded(pictures));
    const four = new Float32Array(size(all.slopes!.shape));
    slopes.forEach((value, i) => four[4 * i] = value);
    gpu.write(all.slopes!.buffer, 0, four);
    gpu.run(program);
    const first = (values: Float32Array, of: number, kept: number) =>
      values.filter((_, i) => i % of < kept);
    const gradients = new Map<string, Float32Array>();
    for (const [name, values] of await store.read(gpu, "gradient")) {
      gradients.set(name, fromDevice(values, shapes.get(name)!));
    }
    return {
      logits: first((await gpu.readFloats(all.logits!)).slice(0, four.length), 4, 1),
      dx: first((await gpu.readFloats(all.dx!)).slice(0, pictures.length / 3 * 4), 4, 3),
      gradients,
      statistics: await store.read(gpu, "weight"),
    };
  } finally {
    memory.free(gpu);
  }
}

/** The gradient of the first and last entries by differences, and what was found for them. */
function slopesOf(
  values: Float32Array,
  found: Float32Array,
  loss: (values: ArrayLike<number>) => number,
): readonly [found: number[], expected: number[]] {
  const indices = Array.from(values.keys()).filter((i) => i < FEW || i >= values.length - FEW);
  const expected = differences(indices.map((i) => values[i]!), (some) => {
    const whole = Array.from(values);
    indices.forEach((index, i) => whole[index] = some[i]!);
    return loss(whole);
  }, 1e-6);
  return [indices.map((i) => found[i]!), expected];
}

for (const by of ["own kernels", "GPU kernels"]) {
  for (const place of [[1, 24, 32], [2, 27, 26]] as const) {
    const name = `judge() of [${place}] has its logits and gradients, by ${by}`;
    Deno.test({ name, ...GPU_TEST }, async () => {
      const weights = randomWeights();
      const pictures = randomFloats(3 * size(place), 1);
      const logits = judgeTwin(weights, pictures, place);
      const slopes = randomFloats(logits.length, 2);
      const loss = (weights: Readonly<Record<string, ArrayLike<number>>>, x: ArrayLike<number>) =>
        judgeTwin(weights, x, place).reduce((sum, value, i) => sum + value * slopes[i]!, 0);
      const found = await runJudge(by, place, weights, { pictures, slopes });
      assertClose(found.logits, logits, 1e-5, "logits");
      const [dx, expected] = slopesOf(pictures, found.dx, (x) => loss(weights, x));
      assertClose(dx, expected, 2e-5, "pictures");
      for (const [name, gradient] of found.gradients) {
        const of = (values: ArrayLike<number>) => loss({ ...weights, [name]: values }, pictures);
        const [own, expected] = slopesOf(weights[name]!, gradient, of);
        assertClose(own, expected, 2e-5, name);
      }
    });
  }
}

Deno.test("a discriminator's weights lie on the device and come back as they were", () => {
  for (const shape of [[8], [8, 3, 4, 4], [16, 8, 4, 4], [1, 64, 4, 4]]) {
    const values = randomFloats(size(shape), 1);
    const moved = onDevice(values, shape);
    assert.deepEqual(fromDevice(moved, shape), values);
    const sum = (all: Float32Array) => all.reduce((a, b) => a + Math.abs(b), 0);
    assert.ok(Math.abs(sum(moved) / sum(values) - 1) < 1e-6, "the rest is zero");
  }
});

Deno.test("initialDiscriminator() draws by the released deviations", async () => {
  const shapes = discriminatorShapes(16);
  const source = initialDiscriminator(1, shapes);
  for (const [name, shape] of shapes) {
    const values = await source(name, shape);
    assert.equal(values.length, size(shape), name);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    const isNorm = shape.length === 1 && name.endsWith(".weight");
    if (shape.length > 1 || isNorm) {
      assert.ok(Math.abs(mean - Number(isNorm)) < 0.02, `${name}: ${mean}`);
      assert.ok(Math.abs(spread / 0.02 - 1) < 0.5, `${name}: ${spread}`);
    }
  }
});

Deno.test("initialDiscriminator() bounds a bias by its own layer, in any order", async () => {
  const shapes = discriminatorShapes(64);
  const source = initialDiscriminator(1, shapes);
  for (const [name, shape] of [...shapes].reverse()) {
    const values = await source(name, shape);
    if (name !== "main.0.bias") continue;
    const [most, bound] = [Math.max(...values.map(Math.abs)), 1 / Math.sqrt(3 * 4 * 4)];
    assert.ok(most <= bound && most > 0.9 * bound, `${most} of ${bound}`); // the greatest of 64
  }
});
