import assert from "node:assert/strict";
import { sizeMetadata, viewingScale } from "../../request/viewing_scale.ts";

const CASES: readonly [path: string, width: number, height: number, scale: number][] = [
  ["a.mp4", 64, 64, 4],
  ["a.GIF", 64, 64, 4],
  ["a.webm", 128, 128, 2],
  ["a.mov", 100, 60, 3],
  ["a.mkv", 60, 100, 3],
  ["a.mp4", 256, 256, 1],
  ["a.mp4", 320, 240, 1],
  ["a.mp4", 1, 1, 256],
  ["a.npz", 64, 64, 1],
  ["a.safetensors", 64, 64, 1],
  ["a.y4m", 64, 64, 1],
  ["a.png", 64, 64, 1],
  ["f-%d.png", 64, 64, 1],
  ["-", 64, 64, 1],
];

for (const [path, width, height, scale] of CASES) {
  Deno.test(`viewingScale() of ${path} of ${width}x${height} is ${scale}, unless told`, () => {
    assert.equal(viewingScale(path, { width, height }), scale);
    for (const told of [1, 3]) {
      assert.equal(viewingScale(path, { width, height, scale: told }), told);
    }
  });
}

Deno.test("sizeMetadata() keeps the model's size where pictures are enlarged", () => {
  const size = { width: 64, height: 48 };
  assert.deepEqual(sizeMetadata(size, 4), { "far.size": "64x48" });
  for (const scale of [1, undefined]) assert.deepEqual(sizeMetadata(size, scale), {});
});
