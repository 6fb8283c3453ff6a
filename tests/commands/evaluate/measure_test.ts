import assert from "node:assert/strict";
import { bestOf, meanOf, measureFrames } from "../../../commands/evaluate/measure.ts";
import { testPicture } from "../../metrics/test_picture.ts";
import { measures } from "./evaluation_fixture.ts";

Deno.test("measureFrames() measures the frames after the context", () => {
  const pictures = (seeds: number[]) => ({
    frames: seeds.length,
    width: 16,
    height: 12,
    data: Float32Array.from(seeds.flatMap((seed) => [...testPicture(16, 12, seed)])),
  });
  const found = measureFrames(pictures([1, 2, 3]), pictures([9, 2, 4]), 1);
  assert.equal(found.length, 2);
  assert.equal(found[0]!.psnr, Infinity);
  assert.equal(found[0]!.mse, 0);
  assert.ok(Math.abs(found[0]!.ssim_gaussian - 1) < 1e-9);
  assert.ok(found[1]!.psnr < 30 && found[1]!.ms_ssim < 1);
});

Deno.test("bestOf() takes each metric from the video that is best over all its frames", () => {
  const videos = [[measures(10), measures(40)], [measures(30), measures(30)]];
  const [first, second] = bestOf(videos);
  assert.deepEqual([first!.psnr, second!.psnr], [30, 30]);
  // 1/30 twice is less than 1/10 and 1/40
  assert.deepEqual([first!.mse, second!.mse], [1 / 30, 1 / 30]);
  const mixed = bestOf([[{ ...measures(30), mse: 9 }], [{ ...measures(20), mse: 1 }]]);
  assert.deepEqual([mixed[0]!.psnr, mixed[0]!.mse], [30, 1]);
  const seen = bestOf([0.3, 0.1, 0.2].map((lpips) => [{ ...measures(30), lpips }]));
  assert.equal(seen[0]!.lpips, 0.1);
});

Deno.test("meanOf() averages every metric", () => {
  const mean = meanOf([measures(10), measures(20)]);
  assert.equal(mean.psnr, 15);
  assert.ok(Math.abs(mean.mse - 0.075) < 1e-12);
});
