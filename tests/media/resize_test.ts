import assert from "node:assert/strict";
import { toFloat } from "../../media/frames.ts";
import { centreCrop, fitFrame } from "../../media/resize.ts";

const grey = (values: number[], width: number) => ({
  width,
  height: values.length / width,
  data: Uint8Array.from(values.flatMap((v) => [v, v, v])),
});
const levels = (frame: { data: Uint8Array }) => [...frame.data].filter((_, i) => i % 3 === 0);

Deno.test("fitFrame() returns a picture of the right size untouched", () => {
  const frame = grey([1, 2, 3, 4], 2);
  assert.equal(fitFrame(frame, 2, 2), frame);
});

Deno.test("fitFrame() averages the exact area when shrinking", () => {
  assert.deepEqual(levels(fitFrame(grey([0, 100, 200, 60, 40, 80], 3), 3, 2)), [
    0,
    100,
    200,
    60,
    40,
    80,
  ]);
  assert.deepEqual(levels(fitFrame(grey([0, 100, 50, 250], 2), 1, 1)), [100]);
  // 3 columns and rows to 2: each new pixel covers one and a half old ones.
  const row = [0, 90, 240];
  const [left, right] = [(0 + 45) / 1.5, (45 + 240) / 1.5];
  assert.deepEqual(levels(fitFrame(grey([...row, ...row, ...row], 3), 2, 2)), [
    left,
    right,
    left,
    right,
  ]);
});

Deno.test("fitFrame() interpolates linearly when enlarging", () => {
  const out = levels(fitFrame(grey([0, 100, 0, 100], 2), 4, 4));
  assert.deepEqual(out.slice(0, 4), [0, 25, 75, 100]);
  assert.deepEqual(levels(fitFrame(grey([7], 1), 5, 5)), new Array(25).fill(7));
});

Deno.test("fitFrame() takes the centre of a wide and of a tall picture", () => {
  assert.deepEqual(centreCrop({ width: 320, height: 240 }, 64, 64), {
    left: 40,
    top: 0,
    width: 240,
    height: 240,
  });
  assert.deepEqual(centreCrop({ width: 10, height: 31 }, 2, 1), {
    left: 0,
    top: 13,
    width: 10,
    height: 5,
  });
  assert.deepEqual(levels(fitFrame(grey([1, 2, 3, 4, 5, 6], 6), 2, 1)), [3, 4]);
});

Deno.test("fitFrame() treats floats as it treats bytes", () => {
  const frame = {
    width: 9,
    height: 7,
    data: Uint8Array.from({ length: 9 * 7 * 3 }, (_, i) => (i * 89) % 256),
  };
  const bytes = fitFrame(frame, 4, 4);
  const floats = fitFrame(toFloat(frame), 4, 4);
  const worst = Math.max(...toFloat(bytes).data.map((v, i) => Math.abs(v - floats.data[i]!)));
  assert.ok(worst <= 0.5 / 255 + 1e-6, `worst ${worst}`);
});

Deno.test("fitFrame() refuses a size of nothing", () => {
  assert.throws(() => fitFrame(grey([1], 1), 0, 4), RangeError);
});
