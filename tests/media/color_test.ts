import assert from "node:assert/strict";
import {
  i420Bytes,
  type Matrix,
  padToEven,
  rgbToI420,
  type YuvPicture,
  yuvToRgb,
} from "../../media/color.ts";

/** Describes I420 bytes as `rgbToI420` lays them out. */
function i420Picture(data: Uint8Array, width: number, height: number): YuvPicture {
  const stride = (width + 1) >> 1;
  const chroma = stride * ((height + 1) >> 1);
  const offset = width * height;
  return {
    width,
    height,
    bits: 8,
    chromaShiftX: 1,
    chromaShiftY: 1,
    y: { data, offset: 0, stride: width, step: 1 },
    u: { data, offset, stride, step: 1 },
    v: { data, offset: offset + chroma, stride, step: 1 },
  };
}

const flat = (rgb: number[], width = 2, height = 2) => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => rgb[i % 3]!),
});

// Values of Rec. 709 and Rec. 601 colour bars at 8 bits, limited range.
const BARS: [Matrix, boolean, number[], number[]][] = [
  ["bt709", false, [255, 255, 255], [235, 128, 128]],
  ["bt709", false, [0, 0, 0], [16, 128, 128]],
  ["bt709", false, [255, 0, 0], [63, 102, 240]],
  ["bt709", false, [0, 255, 0], [173, 42, 26]],
  ["bt709", false, [0, 0, 255], [32, 240, 118]],
  ["bt601", false, [255, 0, 0], [81, 90, 240]],
  ["bt601", false, [0, 255, 0], [145, 54, 34]],
  ["bt601", false, [0, 0, 255], [41, 240, 110]],
  ["bt601", true, [255, 0, 0], [76, 85, 255]],
  ["bt601", true, [0, 0, 255], [29, 255, 107]],
];

Deno.test("rgbToI420() gives the standards' own colour bars", () => {
  for (const [matrix, fullRange, rgb, yuv] of BARS) {
    const out = rgbToI420(flat(rgb), { matrix, fullRange });
    assert.deepEqual([out[0], out[4], out[5]], yuv, `${matrix} ${fullRange} ${rgb}`);
  }
});

Deno.test("yuvToRgb() undoes rgbToI420() for even colours within 2 levels", () => {
  let worst = 0;
  for (const matrix of ["bt601", "bt709", "bt2020"] as const) {
    for (const fullRange of [false, true]) {
      for (let n = 0; n < 500; n++) {
        const rgb = [(n * 71) % 256, (n * 113 + 40) % 256, (n * 29 + 7) % 256];
        const bytes = rgbToI420(flat(rgb), { matrix, fullRange });
        const { data } = yuvToRgb(i420Picture(bytes, 2, 2), { matrix, fullRange });
        for (let c = 0; c < 3; c++) worst = Math.max(worst, Math.abs(data[c]! - rgb[c]!));
      }
    }
  }
  // Chroma steps of 1/224 times a gain of up to 1.88 (blue of BT.2020), halved by rounding.
  assert.ok(worst <= 2, `worst ${worst}`);
});

Deno.test("rgbToI420() keeps greys exact", () => {
  for (const matrix of ["bt601", "bt709", "bt2020"] as const) {
    for (const fullRange of [false, true]) {
      for (let level = 0; level < 256; level++) {
        const bytes = rgbToI420(flat([level, level, level]), { matrix, fullRange });
        const luma = fullRange ? level : Math.round(level * 219 / 255) + 16;
        assert.deepEqual([bytes[0], bytes[4], bytes[5]], [luma, 128, 128], `${matrix} ${level}`);
        const { data } = yuvToRgb(i420Picture(bytes, 2, 2), { matrix, fullRange });
        assert.ok(Math.abs(data[0]! - level) <= 1);
      }
    }
  }
});

Deno.test("rgbToI420() handles odd sizes down to one pixel", () => {
  for (const [width, height] of [[1, 1], [3, 1], [1, 5], [7, 3]] as const) {
    const bytes = rgbToI420(flat([200, 30, 90], width, height), {
      matrix: "bt709",
      fullRange: false,
    });
    assert.equal(bytes.length, i420Bytes(width, height));
    const back = yuvToRgb(i420Picture(bytes, width, height), { matrix: "bt709", fullRange: false });
    for (let i = 0; i < back.data.length; i++) {
      assert.ok(Math.abs(back.data[i]! - [200, 30, 90][i % 3]!) <= 2);
    }
  }
});

Deno.test("yuvToRgb() reads ten bits, interleaved chroma and grey", () => {
  const colour = { matrix: "bt709", fullRange: false } as const;
  const ten = Uint16Array.of(63 * 4, 102 * 4, 240 * 4);
  const plane = (offset: number) => ({ data: ten, offset, stride: 1, step: 1 });
  const size = { width: 1, height: 1, chromaShiftX: 1, chromaShiftY: 1 };
  const red = yuvToRgb({ ...size, bits: 10, y: plane(0), u: plane(1), v: plane(2) }, colour).data;
  assert.ok(red[0]! >= 253 && red[1]! <= 2 && red[2]! <= 2, `${red}`);
  const nv12 = Uint8Array.of(63, 102, 240);
  const pair = (offset: number) => ({ data: nv12, offset, stride: 2, step: 2 });
  assert.deepEqual(
    yuvToRgb({ ...size, bits: 8, y: pair(0), u: pair(1), v: pair(2) }, colour).data,
    red,
  );
  assert.deepEqual([...yuvToRgb({ ...size, bits: 8, y: pair(2) }, colour).data], [255, 255, 255]);
});

Deno.test("padToEven() repeats the last column and row", () => {
  const frame = { width: 1, height: 3, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) };
  const out = padToEven(frame);
  assert.deepEqual([out.width, out.height], [2, 4]);
  assert.deepEqual([...out.data.subarray(18)], [7, 8, 9, 7, 8, 9]);
  assert.deepEqual([...out.data.subarray(0, 6)], [1, 2, 3, 1, 2, 3]);
  const even = flat([1, 2, 3]);
  assert.equal(padToEven(even), even);
});
