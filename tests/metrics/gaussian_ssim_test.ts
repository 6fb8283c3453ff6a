import assert from "node:assert/strict";
import { gaussianSsim, multiScaleSsim } from "../../metrics/gaussian_ssim.ts";
import { testPicture } from "./test_picture.ts";

/** A picture, and one that is like it. */
function pair(width: number, height: number, contrast: number): [Float32Array, Float32Array] {
  const full = testPicture(width, height, 3);
  const other = testPicture(width, height, 11).map((value, i) => full[i]! * 0.8 + 0.2 * value);
  return [full.map((value) => value * contrast), other.map((value) => value * contrast)];
}

// torchmetrics 1.9 (1.6.1 is the same) in float64, data_range=1; pytorch-msssim 1.0 with as many weights as scales
const CASES = [
  [11, 12, 1, 1, 0.950112263856354, 0.9555606427550543],
  [33, 20, 1, 1, 0.9513822527376046, 0.9578253706131831],
  [64, 64, 1, 3, 0.9503512427477036, 0.9552143528198324],
  [64, 64, 0.1, 3, 0.9697860456397128, 0.9896158258071349],
  [67, 45, 1, 3, 0.9530396142261128, 0.9542216866632911],
  [97, 81, 0.3, 4, 0.9550362431453242, 0.9744378541465671],
  [165, 170, 1, 5, 0.9528146960523104, 0.9556914019040099],
] as const;

for (const [width, height, contrast, scales, ssim, msSsim] of CASES) {
  Deno.test(`gaussianSsim() and multiScaleSsim() of ${width}x${height} are the references'`, () => {
    const [a, b] = pair(width, height, contrast);
    assert.ok(
      Math.abs(gaussianSsim(a, b, width, height) - ssim) < 1e-5,
      `${gaussianSsim(a, b, width, height)}`,
    );
    const found = multiScaleSsim(a, b, width, height);
    assert.equal(found.scales, scales);
    assert.ok(Math.abs(found.value - msSsim) < 1e-5, `${found.value}`);
  });
}

Deno.test("gaussianSsim() and multiScaleSsim() of equal pictures are 1, of small ones errors", () => {
  const a = testPicture(64, 64, 5);
  assert.ok(Math.abs(gaussianSsim(a, a, 64, 64) - 1) < 1e-12);
  assert.ok(Math.abs(multiScaleSsim(a, a, 64, 64).value - 1) < 1e-12);
  assert.throws(() => gaussianSsim(a, a, 10, 64), /10x64: Gaussian SSIM needs 11x11/);
  assert.throws(() => multiScaleSsim(a, a, 64, 10), RangeError);
});
