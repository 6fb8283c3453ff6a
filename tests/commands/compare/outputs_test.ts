import assert from "node:assert/strict";
import { checkOutputs, csvOf, plotOf, sideBySide } from "../../../commands/compare/outputs.ts";

const FRAMES = [
  { video: 0, a: 4, b: 0, mse: 0.01, psnr: 20, ssim: 0.5 },
  { video: 0, a: 5, b: 1, mse: 0, psnr: Infinity, ssim: 1 },
  { video: 1, a: 4, b: 0, mse: 0.001, psnr: 30, ssim: 0.75 },
];

Deno.test("sideBySide() shows A, B and half their difference around grey, row by row", () => {
  const a = Float32Array.from({ length: 12 }, (_, i) => i / 16);
  const b = Float32Array.from({ length: 12 }, (_, i) => 1 - i / 16);
  const side = sideBySide(a, b, 2, 2);
  assert.equal(side.length, 36);
  for (let row = 0; row < 6; row++) {
    for (let x = 0; x < 2; x++) {
      const [of, at] = [row * 2 + x, row * 6 + x];
      assert.equal(side[at], a[of]);
      assert.equal(side[at + 2], b[of]);
      assert.equal(side[at + 4], 0.5 + (b[of]! - a[of]!) / 2);
    }
  }
});

Deno.test("csvOf() has a row for each pair, by the numbers of its frames", () => {
  assert.equal(
    csvOf(FRAMES),
    "video,frame_a,frame_b,mse,psnr,ssim\n0,4,0,0.01,20,0.5\n0,5,1,0,inf,1\n1,4,0,0.001,30,0.75\n",
  );
  assert.match(
    csvOf(FRAMES.map((frame) => ({ ...frame, lpips: 0.5 }))),
    /ssim,lpips\n.*,0\.5,0\.5\n/,
  );
});

Deno.test("plotOf() draws the mean of all videos, without equal pictures", () => {
  const svg = plotOf(FRAMES);
  const lines = [...svg.matchAll(/points="([^"]*)"/g)].map(([, points]) => points!.split(" "));
  assert.deepEqual(lines.map((points) => points.length), [1, 2]);
  // PSNR of the mean error 0.0055 is 22.6 dB, on a scale from 0 to 30
  const [x, y] = lines[0]![0]!.split(",").map(Number);
  assert.equal(x, 56);
  assert(Math.abs(y! - (280 - 256 * 22.596 / 30)) < 0.1, `${y}`);
  assert.match(svg, />frame 4</);
});

Deno.test("csvOf() and plotOf() take half a million frames", () => {
  const many = Array.from({ length: 5e5 }, (_, a) => ({ ...FRAMES[0]!, a, psnr: 20 }));
  assert.equal(csvOf(many).split("\n").length, 5e5 + 2);
  assert.match(plotOf(many), />frame 0</);
});

Deno.test("checkOutputs() refuses what cannot be written before anything is read", () => {
  checkOutputs(["side.mp4", "n.csv"], "curve.svg");
  assert.throws(() => checkOutputs(["-"], undefined), { name: "UsageError" });
  assert.throws(() => checkOutputs([], "curve.png"), /must end in \.svg/);
});
