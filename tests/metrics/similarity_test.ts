import assert from "node:assert/strict";
import { testPicture } from "./test_picture.ts";
import { overall, psnrOf, similarity } from "../../metrics/similarity.ts";

function near(found: number, wanted: number, tolerance: number) {
  assert(Math.abs(found - wanted) <= tolerance, `${found} is not ${wanted} +- ${tolerance}`);
}

Deno.test("similarity() is what scikit-image gives, on small and odd sizes", () => {
  // scikit-image 0.26 in float64: data_range=1, channel_axis=0, win_size=7
  const cases = [
    [7, 7, 1, 0.007489475639779403, 21.255485874703677, 0.9471537734665293],
    [16, 9, 1, 0.007207605413355591, 21.422089972083814, 0.9523462848203222],
    [33, 20, 1, 0.007051283141190157, 21.51731846067871, 0.9539782853822828],
    // without sample covariance 0.97019, which only a faint picture shows
    [16, 9, 0.1, 0.00007207605676292289, 41.422089813651226, 0.9699621410036249],
  ] as const;
  for (const [width, height, contrast, mse, psnr, ssim] of cases) {
    const full = testPicture(width, height, 3);
    const other = testPicture(width, height, 11).map((value, i) => full[i]! * 0.8 + 0.2 * value);
    const [a, b] = [full, other].map((values) => values.map((value) => value * contrast));
    const found = similarity(a!, b!, width, height);
    near(found.mse, mse, 1e-7);
    near(found.psnr, psnr, 1e-4);
    near(found.ssim, ssim, 1e-5);
  }
});

Deno.test("similarity() of equal pictures is perfect", () => {
  const a = testPicture(9, 8, 5);
  const { mse, psnr, ssim } = similarity(a, a.slice(), 9, 8);
  assert.equal(mse, 0);
  assert.equal(psnr, Infinity);
  near(ssim, 1, 1e-12);
});

Deno.test("similarity() needs a whole window", () => {
  const a = new Float32Array(3 * 6 * 7);
  assert.throws(() => similarity(a, a, 6, 7), { name: "RangeError", message: /SSIM needs 7x7/ });
});

Deno.test("overall() averages frames, and gives the PSNR of the whole error as well", () => {
  const frames = [{ mse: 0.01, psnr: 20, ssim: 0.5 }, { mse: 0.0001, psnr: 40, ssim: 0.9 }];
  const { mse, psnr, ssim, psnrOfMse } = overall(frames);
  near(mse, 0.00505, 1e-12);
  assert.equal(psnr, 30);
  near(ssim, 0.7, 1e-12);
  near(psnrOfMse, psnrOf(0.00505), 1e-12);
});
