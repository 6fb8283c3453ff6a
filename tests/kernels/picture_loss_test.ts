import assert from "node:assert/strict";
import { pictureLoss, type PictureWeights } from "../../kernels/picture_loss.ts";
import { structureLoss, structureScales } from "../../kernels/structure_loss.ts";
import { multiScaleSsim } from "../../metrics/gaussian_ssim.ts";
import { differences } from "../reference/training.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runAll } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

type Size = readonly [pictures: number, height: number, width: number];

/** Pictures from -1 to 1 that vary from pixel to pixel, [B, H, W, 4] with a zero fourth channel. */
function pictures([b, h, w]: Size, seed: number, amount: number): Float32Array {
  const noise = randomFloats(4 * b * h * w, seed);
  return noise.map((value, i) => {
    if (i % 4 === 3) return 0;
    const pixel = Math.floor(i / 4);
    const wave = Math.sin(pixel % w / 3 + i % 4) * Math.cos(Math.floor(pixel / w) / 4);
    return 0.6 * wave + amount * value;
  });
}

/** Loss and gradient of both kernels. */
async function onDevice(
  size: Size,
  [x, y]: readonly [Float32Array, Float32Array],
  weights: PictureWeights & { readonly structure: number },
): Promise<{ loss: number; dy: Float32Array }> {
  const [results, dy] = await runAll((p, input) => {
    const shape = [...size, 4];
    const tensors = { x: input(shape, x), y: input(shape, y), dy: p.scratch(shape) };
    const slot = { results: input([4], new Float32Array(4)), slot: 2 };
    pictureLoss(p, tensors, weights, size[0], slot);
    structureLoss(p, tensors, { weight: weights.structure, pictures: size[0] }, slot);
    return [slot.results, tensors.dy];
  });
  return { loss: new Float32Array(results!)[2]!, dy: new Float32Array(dy!) };
}

/** Means over pixels and colours of |e|, e^2, and |differences of neighbours' e|. */
function twin(
  [b, h, w]: Size,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  weights: PictureWeights,
) {
  const mean = { l1: 0, mse: 0, across: 0, along: 0 };
  for (let i = 0; i < 4 * b * h * w; i++) {
    if (i % 4 === 3) continue;
    const e = y[i]! - x[i]!;
    const [column, row] = [Math.floor(i / 4) % w, Math.floor(i / 4 / w) % h];
    mean.l1 += Math.abs(e) / (3 * b * h * w);
    mean.mse += e * e / (3 * b * h * w);
    const other = (j: number) => Math.abs(y[j]! - x[j]! - e);
    if (column + 1 < w) mean.across += other(i + 4) / (3 * b * h * (w - 1));
    if (row + 1 < h) mean.along += other(i + 4 * w) / (3 * b * (h - 1) * w);
  }
  return weights.l1 * mean.l1 + weights.mse * mean.mse + weights.edges * (mean.across + mean.along);
}

for (const size of [[1, 1, 1], [2, 3, 5], [3, 4, 1]] as const) {
  const name = `pictureLoss() and its gradient for ${size}`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const weights = { l1: 0.7, mse: 0.4, edges: 0.3 };
    const [x, y] = [pictures(size, 1, 0.3), pictures(size, 2, 0.3)];
    const { loss, dy } = await onDevice(size, [x, y], { ...weights, structure: 0 });
    assert.ok(Math.abs(loss / twin(size, x, y, weights) - 1) < 1e-6);
    const expected = differences(y, (v) => twin(size, x, v, weights), 1e-6);
    assertClose(dy, expected.map((v, i) => i % 4 === 3 ? 0 : v), 1e-5);
  });
}

/** Mean over pictures of MS-SSIM. */
function msSsim([b, h, w]: Size, x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let picture = 0; picture < b; picture++) {
    const planes = [x, y].map((values) =>
      Float64Array.from({ length: 3 * h * w }, (_, i) => {
        const pixel = picture * h * w + i % (h * w);
        return values[4 * pixel + Math.floor(i / (h * w))]! / 2 + 0.5;
      })
    ) as unknown as [Float32Array, Float32Array]; // in float64, for differences
    sum += multiScaleSsim(planes[0], planes[1], w, h).value / b;
  }
  return sum;
}

for (const [size, scales] of [[[1, 11, 12], 1], [[2, 24, 23], 2], [[1, 45, 41], 3]] as const) {
  const name = `structureLoss() is that of MS-SSIM over ${scales} scales, for ${size}`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    assert.equal(structureScales(size[1], size[2]), scales);
    const [x, y] = [pictures(size, 1, 0.1), pictures(size, 2, 0.2)];
    const weights = { l1: 0, mse: 0, edges: 0, structure: 0.8 };
    const { loss, dy } = await onDevice(size, [x, y], weights);
    const expected = 0.8 * (1 - msSsim(size, x, y));
    assert.ok(Math.abs(loss / expected - 1) < 1e-5, `${loss}, not ${expected}`);
    const scale = Math.max(...dy.map(Math.abs));
    for (let i = 0; i < y.length; i += 4 * 31 + 1) {
      if (i % 4 === 3) continue;
      const moved = (delta: number) => {
        const values = Float64Array.from(y);
        values[i]! += delta;
        return 0.8 * (1 - msSsim(size, x, values));
      };
      const slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
      assert.ok(Math.abs(dy[i]! - slope) < 5e-5 * scale, `${i}: ${dy[i]}, not ${slope}`);
    }
  });
}

Deno.test(
  { name: "structureLoss() is zero for small or equal pictures", ...GPU_TEST },
  async () => {
    const weights = { l1: 0, mse: 0, edges: 0, structure: 1 };
    const small = pictures([1, 10, 40], 1, 0.1);
    const { loss } = await onDevice([1, 10, 40], [small, small.map((v) => -v)], weights);
    assert.equal(loss, 0);
    const same = pictures([2, 16, 16], 1, 0.1);
    const { loss: none, dy } = await onDevice([2, 16, 16], [same, same], weights);
    assert.ok(Math.abs(none) < 1e-5 && dy.every((value) => Math.abs(value) < 1e-4));
  },
);
