import assert from "node:assert/strict";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import type { DeviceProfile, ProductTuning } from "../../gpu/tuning.ts";
import { linear } from "../../kernels/linear.ts";
import { packedShape } from "../../kernels/pack_weight.ts";
import { layerNormReference } from "../reference/layer_norm.ts";
import { linearReference } from "../reference/linear.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";
import { packed, unpad } from "../support/weights.ts";

/** Without it there is nothing to test: the driver has no half floats. */
const ignore = !(await testGpu()).adapter.f16;

const FORMS: Partial<ProductTuning>[] = [
  { tile: 32, slices: 2, blocks: 2, ahead: 2 },
  { tile: 32, slices: 4, blocks: 1, ahead: 1 },
  { tile: 64, slices: 2, blocks: 1, ahead: 4 },
  { tile: 32, slices: 2, blocks: 1, ahead: 2, split: 4 },
].map((tuning) => ({ ...tuning, packed: 1 }));

/** x and sums of 16 are rounded to 11 bits. */
const TOLERANCE = 2e-3;

const NORMED: [b: number, f: number, t: number, k: number, n: number][] = [
  [1, 1, 1, 4, 1],
  [2, 2, 5, 36, 33],
  [1, 2, 40, 260, 130],
];
const GATED: [m: number, k: number, n: number][] = [
  [1, 4, 4],
  [7, 12, 36],
  [65, 36, 132],
  [33, 260, 40],
];

for (const tuning of FORMS) {
  const by = JSON.stringify(tuning);
  const about = (name: string) => ({ name: `linear() in f16 ${name}, ${by}`, ignore, ...GPU_TEST });

  Deno.test(about("normalises first"), async () => {
    for (const [b, f, t, k, n] of NORMED) {
      const [m, stride] = [b * f * t, 2 * k + 8];
      const x = randomFloats(m * k, 1);
      const w = randomFloats(n * k, 2).map(Math.f16round);
      const bias = randomFloats(n, 4);
      const table = randomFloats(f * stride, 3);
      const y = await runOnce((p, input) => {
        const rows = Array.from({ length: b * f }, (_, i) => [i % f, 9, 9, 9]);
        const frames = input([b, f, 4], Uint32Array.from(rows.flat()));
        const modulation = { table: input([f, stride], table), frames, tokens: t };
        const norm = { ...modulation, shift: k + 8, scale: 4 };
        const weights = packed(p, input, w, [n, k], bias, "f16", "storage");
        return linear(p, weights, input([b, f, t, k], x), { norm, tuning });
      });
      const normed = layerNormReference(x, k, (row) => {
        const at = Math.floor(row / t) % f * stride;
        return { scale: table.subarray(at + 4), shift: table.subarray(at + k + 8) };
      });
      const expected = linearReference(normed, w, bias, [m, k, n]);
      assertClose(unpad(y, m, n), expected, TOLERANCE, `K=${k}`);
    }
  });

  Deno.test(about("adds gated values"), async () => {
    for (const [m, k, n] of GATED) {
      const x = randomFloats(m * k, 1);
      const y = await runGated([m, k, n], x, tuning);
      assertClose(y, gated([m, k, n], x), TOLERANCE, `K=${k}`);
    }
  });

  Deno.test(about("takes what is beyond half floats as the largest"), async () => {
    const size = [3, 20, 8] as const;
    const x = randomFloats(60, 1);
    x.set([1e6, -3e38], 20);
    const y = await runGated(size, x, tuning);
    x.set([65504, -65504], 20);
    assertClose(y, gated(size, x), TOLERANCE);
  });
}

type Size = readonly [m: number, k: number, n: number];

const gatedWeights = ([, k, n]: Size) => randomFloats(n * k, 2).map((v) => Math.f16round(v / 8));

/** y + value / 2. */
async function runGated(
  size: Size,
  x: Float32Array,
  tuning: Partial<ProductTuning>,
): Promise<Float32Array> {
  const [m, k, n] = size;
  return await runOnce((p, input) => {
    const table = input([1, n + 4], new Float32Array(n + 4).fill(0.5));
    const gate = { table, frames: input([1, 1, 4], new Uint32Array(4)), tokens: m, offset: 4 };
    const into = { y: input([m, n], randomFloats(m * n, 4)), gate };
    const weights = packed(p, input, gatedWeights(size), [n, k], undefined, "f16", "storage");
    return linear(p, weights, input([m, k], x), { into, tuning });
  });
}

function gated(size: Size, x: Float32Array): Float32Array {
  const [m, , n] = size;
  const value = linearReference(x, gatedWeights(size), undefined, [...size]);
  return randomFloats(m * n, 4).map((old, i) => old + 0.5 * value[i]!);
}

Deno.test("linear() adds up in f16 in blocks only, where the GPU can and a table says so", () => {
  const kernel = (device: Partial<DeviceProfile>, dtype: "f16" | "f32", packed = 1, normed = 1) => {
    const p = new Program("test", new Memory(), { cpu: false, ...device });
    const t = (...shape: number[]) => p.memory.tensor("t", shape);
    const weight = p.memory.tensor("w", packedShape(8, 8), dtype);
    const norm = { table: t(1, 16), frames: t(1, 1, 4), tokens: 2, shift: 0, scale: 8 };
    const tuning = { packed, shuffle: 1 };
    const options = { tuning, norm: normed ? norm : undefined };
    p.scope(() => linear(p, { weight, inputs: 8, outputs: 8 }, t(1, 1, 2, 8), options));
    return p.recorded[0]!.kernel.name;
  };
  const f16 = { f16: true };
  assert.equal(kernel({ ...f16, subgroupSize: 32 }, "f16"), "linear_packed");
  assert.equal(kernel({}, "f16"), "linear");
  assert.equal(kernel(f16, "f32"), "linear");
  assert.equal(kernel(f16, "f16", 0), "linear");
  assert.equal(kernel(f16, "f16", 1, 0), "linear");
});
