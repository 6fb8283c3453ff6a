import assert from "node:assert/strict";
import { enlarge, toFloat, toRgb } from "../../media/frames.ts";

Deno.test("toRgb() gives every byte back after toFloat()", () => {
  const data = Uint8Array.from({ length: 768 }, (_, i) => (i * 37) % 256);
  const frame = { width: 16, height: 16, data };
  assert.deepEqual(toRgb(toFloat(frame)), frame);
});

Deno.test("toRgb() rounds to nearest and clamps", () => {
  const red = [-1, 0.5 / 255, 0.49 / 255, 2];
  const green = [254.6 / 255, 1, NaN, 0];
  const blue = [0.5, 1, Infinity, -Infinity];
  const data = Float32Array.of(...red, ...green, ...blue);
  const { data: bytes } = toRgb({ width: 2, height: 2, data });
  assert.deepEqual([...bytes], [0, 255, 128, 1, 255, 255, 0, 0, 255, 255, 0, 0]);
});

Deno.test("toFloat() refuses data of the wrong length", () => {
  assert.throws(
    () => toFloat({ width: 2, height: 2, data: new Uint8Array(11) }),
    /a frame of 2x2: it needs 12 values, but holds 11/,
  );
});

Deno.test("enlarge() repeats pixels in both directions", () => {
  const frame = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  assert.deepEqual(
    [...enlarge(frame, 2).data],
    [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
  );
  assert.throws(() => enlarge(frame, 1.5), RangeError);
});
