import assert from "node:assert/strict";
import { enlarge, mirror, rotate, toFloat, toRgb } from "../../media/frames.ts";

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

Deno.test("rotate() turns clockwise and mirror() swaps left and right", () => {
  const grey = (rows: number[][]) => ({
    width: rows[0]!.length,
    height: rows.length,
    data: Uint8Array.from(rows.flat().flatMap((v) => [v, v, v])),
  });
  const frame = grey([[1, 2, 3], [4, 5, 6]]);
  assert.equal(rotate(frame, 0), frame);
  assert.deepEqual(rotate(frame, 90), grey([[4, 1], [5, 2], [6, 3]]));
  assert.deepEqual(rotate(frame, 180), grey([[6, 5, 4], [3, 2, 1]]));
  assert.deepEqual(rotate(frame, -90), grey([[3, 6], [2, 5], [1, 4]]));
  assert.deepEqual(rotate(rotate(frame, 270), 90), frame);
  assert.deepEqual(mirror(frame), grey([[3, 2, 1], [6, 5, 4]]));
});
