import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { type Dtype, Memory, type MemoryKind, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import type { ProductTuning } from "../../gpu/tuning.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import type { LinearWeights } from "../../kernels/linear.ts";
import { packedShape, packWeight } from "../../kernels/pack_weight.ts";
import { conv2dReference, type ConvSizes } from "../reference/conv2d.ts";
import { silu } from "../reference/linear.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";
import { unpad } from "../support/weights.ts";

type Upload = (shape: number[], data: Float32Array | Uint32Array) => Tensor;

function packedConv(
  p: Program,
  input: Upload,
  weight: Float32Array,
  { k, n, size }: ConvSizes,
  { bias, dtype = "f32", kind }: { bias?: Float32Array; dtype?: Dtype; kind: MemoryKind },
): LinearWeights {
  const [inputs, n8, taps] = [Math.ceil(k / 4) * 4, Math.ceil(n / 8) * 8, size * size];
  const target = p.memory.tensor("weight", packedShape(inputs * taps, n), dtype, kind);
  const shape = [n, k * taps] as const;
  packWeight(p, input([...shape], weight).buffer, target, { dtype: "F32", shape, taps });
  const padded = new Float32Array(n8);
  padded.set(bias ?? []);
  return { weight: target, bias: bias && input([n8], padded), inputs, outputs: n };
}

/** [pixels, k] with the channels padded by zeros to a multiple of 4. */
function pad(x: Float32Array, k: number): Float32Array {
  const k4 = Math.ceil(k / 4) * 4;
  const y = new Float32Array(x.length / k * k4);
  for (let i = 0; i < x.length; i++) y[Math.floor(i / k) * k4 + i % k] = x[i]!;
  return y;
}

const SIZES: ConvSizes[] = [
  { b: 1, h: 1, w: 1, k: 4, n: 1, size: 3 },
  { b: 2, h: 3, w: 5, k: 3, n: 12, size: 3 },
  { b: 1, h: 7, w: 2, k: 8, n: 33, size: 3 },
  { b: 3, h: 4, w: 6, k: 20, n: 130, size: 3 },
  { b: 1, h: 16, w: 16, k: 16, n: 64, size: 3 },
  { b: 2, h: 3, w: 4, k: 8, n: 5, size: 1 },
  { b: 1, h: 6, w: 3, k: 4, n: 8, size: 5 },
];

/** Weights in images are for the broadcasting form; with too few rows its workgroups are many. */
const FORMS: [kind: MemoryKind, tuning?: Partial<ProductTuning>][] = [
  ["texture"],
  ["texture", { rows: 8 }],
  ["texture", { rows: 64 }],
  ...[0, 1].flatMap((shuffle) =>
    ([[32, 1, 2], [32, 4, 1], [64, 1, 1], [64, 2, 2]] as const).map(
      ([tile, slices, blocks]): [MemoryKind, Partial<ProductTuning>] => [
        "storage",
        { tile, slices, blocks, shuffle },
      ],
    )
  ),
];

for (const sizes of SIZES) {
  const { b, h, w, k, n, size } = sizes;
  Deno.test({
    name: `conv2d() matches the reference for [${b}, ${h}, ${w}, ${k}] to ${n}, ${size} x ${size}`,
    ...GPU_TEST,
  }, async () => {
    const x = randomFloats(b * h * w * k, 1);
    const weight = randomFloats(n * k * size * size, 2);
    const bias = randomFloats(n, 3);
    const expected = conv2dReference(x, weight, bias, sizes);
    for (const [kind, tuning] of FORMS) {
      const y = await runOnce((p, input) => {
        const image = input([b, h, w, Math.ceil(k / 4) * 4], pad(x, k));
        const packed = packedConv(p, input, weight, sizes, { bias, kind });
        return conv2d(p, packed, image, { tuning });
      });
      assertClose(unpad(y, b * h * w, n), expected, 1e-5, `${kind} ${JSON.stringify(tuning)}`);
    }
  });
}

const SMALL: ConvSizes = { b: 1, h: 5, w: 3, k: 8, n: 12, size: 3 };

for (const kind of ["texture", "storage"] as const) {
  const name = `conv2d() with weights in ${kind}`;

  Deno.test({ name: `${name} applies ReLU and SiLU after the bias`, ...GPU_TEST }, async () => {
    const x = randomFloats(15 * 8, 1);
    const weight = randomFloats(12 * 8 * 9, 2);
    const bias = randomFloats(12, 3);
    const expected = conv2dReference(x, weight, bias, SMALL);
    const relu = (v: number) => Math.max(0, v);
    for (const [activation, f] of [["relu", relu], ["silu", silu]] as const) {
      const y = await runOnce((p, input) => {
        const w = packedConv(p, input, weight, SMALL, { bias, kind });
        return conv2d(p, w, input([1, 5, 3, 8], x), { activation });
      });
      assertClose(y, expected.map(f), 1e-5, activation);
    }
  });

  Deno.test({ name: `${name} scales before the bias and adds last`, ...GPU_TEST }, async () => {
    const x = randomFloats(15 * 8, 1);
    const weight = randomFloats(12 * 8 * 9, 2);
    const [bias, scale] = [randomFloats(12, 3), randomFloats(16, 4)];
    const residual = randomFloats(180, 5);
    const y = await runOnce((p, input) =>
      conv2d(p, packedConv(p, input, weight, SMALL, { bias, kind }), input([1, 5, 3, 8], x), {
        activation: "relu",
        scale: input([16], scale),
        into: input([1, 5, 3, 12], residual),
      })
    );
    const expected = conv2dReference(x, weight, undefined, SMALL).map((v, i) =>
      Math.max(0, v * scale[i % 12]! + bias[i % 12]!) + residual[i]!
    );
    assertClose(y, expected, 1e-5);
  });

  Deno.test({ name: `${name} rounds nothing but the weights in f16`, ...GPU_TEST }, async () => {
    const x = randomFloats(15 * 8, 1);
    const weight = randomFloats(12 * 8 * 9, 2).map(Math.f16round);
    const y = await runOnce((p, input) => {
      const w = packedConv(p, input, weight, SMALL, { dtype: "f16", kind });
      return conv2d(p, w, input([1, 5, 3, 8], x));
    });
    assertClose(y, conv2dReference(x, weight, undefined, SMALL), 1e-5);
  });
}

Deno.test("conv2d() refuses other channels, ranks and targets", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const w = { weight: memory.tensor("w", [1, 72, 32]), inputs: 8, outputs: 8 };
  const x = memory.tensor("x", [1, 4, 4, 8]);
  const into = memory.tensor("r", [1, 4, 4, 4]);
  assert.throws(() => conv2d(p, w, memory.tensor("x", [1, 4, 4, 12])), ShapeError);
  assert.throws(() => conv2d(p, w, memory.tensor("x", [4, 4, 8])), ShapeError);
  assert.throws(() => conv2d(p, w, x, { into }), ShapeError);
});
