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

// Red of floats that were resized by Pillow 11 (mode F, BILINEAR), which torchvision follows, and
// cut as CenterCrop cuts them.
const AS_TORCHVISION = [
  {
    from: [9, 5],
    to: [3, 3],
    expected: [
      117.625,
      161.1849,
      119.2321,
      88.1806,
      117.5033,
      132.7083,
      147.625,
      105.1344,
      119.5179,
    ],
  },
  {
    from: [4, 7],
    to: [6, 6],
    expected: [
      [113.75, 132.25, 146.25, 128.25, 142.25, 160.75],
      [177.45, 195.95, 180.0833, 42.6167, 26.75, 45.25],
      [74.75, 93.25, 102.9833, 67.9167, 77.65, 96.15],
      [48.85, 67.35, 92.0167, 116.6833, 141.35, 159.85],
      [112.55, 131.05, 153.5833, 169.7167, 192.25, 210.75],
      [176.25, 194.75, 187.4167, 84.0833, 76.75, 95.25],
    ].flat(),
  },
] as const;

for (const { from: [width, height], to: [across, down], expected } of AS_TORCHVISION) {
  Deno.test(`fitFrame() brings ${width}x${height} to ${across}x${down} as torchvision does`, () => {
    const values = Array.from(
      { length: width * height },
      (_, i) => ((i % width) * 37 + Math.floor(i / width) * 91) % 256,
    );
    const frame = { width, height, data: Float32Array.from([...values, ...values, ...values]) };
    const { data } = fitFrame(frame, across, down, "bilinear");
    for (const [i, value] of expected.entries()) {
      assert.ok(Math.abs(data[i]! - value) < 1e-4, `pixel ${i}: ${data[i]} for ${value}`);
    }
  });
}

Deno.test("fitFrame() refuses a size of nothing", () => {
  assert.throws(() => fitFrame(grey([1], 1), 0, 4), RangeError);
});
