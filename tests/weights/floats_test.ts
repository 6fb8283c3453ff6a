import { equal, ok } from "node:assert/strict";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16, toFloats } from "../../weights/floats.ts";

const view = new DataView(new ArrayBuffer(8));

Deno.test("f16ToF32() agrees with the engine's Float16 for all 65536 values", () => {
  for (let half = 0; half < 65536; half++) {
    view.setUint16(0, half);
    ok(Object.is(f16ToF32(half), view.getFloat16(0)), half.toString(16));
  }
});

Deno.test("f32ToF16() inverts f16ToF32() for all values but NaN", () => {
  for (let half = 0; half < 65536; half++) {
    const value = f16ToF32(half);
    if (Number.isNaN(value)) ok(Number.isNaN(f16ToF32(f32ToF16(value))));
    else equal(f32ToF16(value), half);
  }
});

Deno.test("f32ToF16() rounds to nearest even as the engine does, at and next to every midpoint", () => {
  for (let half = 0; half < 0x7c00; half++) {
    const below = f16ToF32(half);
    const above = half === 0x7bff ? 65536 : f16ToF32(half + 1);
    const middle = (below + above) / 2; // exact in float32
    for (const value of [middle, nextFloat(middle, 1), nextFloat(middle, -1)]) {
      for (const signed of [value, -value]) {
        view.setFloat16(0, signed);
        equal(f32ToF16(signed), view.getUint16(0), `${signed}`);
      }
    }
  }
});

Deno.test("f32ToF16() sends 65520 and more to infinity and tiny values to zero", () => {
  equal(f32ToF16(65519.996), 0x7bff);
  equal(f32ToF16(65520), 0x7c00);
  equal(f32ToF16(-1e30), 0xfc00);
  equal(f32ToF16(2 ** -25), 0);
  equal(f32ToF16(nextFloat(2 ** -25, 1)), 1);
  equal(f32ToF16(1e-45), 0);
  equal(f32ToF16(-0), 0x8000);
});

Deno.test("f32ToBf16() rounds to nearest even", () => {
  equal(f32ToBf16(1), 0x3f80);
  equal(f32ToBf16(1 + 2 ** -8), 0x3f80); // midway, to even
  equal(f32ToBf16(1 + 3 * 2 ** -8), 0x3f82); // midway, to even
  equal(f32ToBf16(nextFloat(1 + 2 ** -8, 1)), 0x3f81);
  equal(f32ToBf16(3.4028235e38), 0x7f80); // beyond the largest
  equal(f32ToBf16(-Infinity), 0xff80);
  ok(Number.isNaN(bf16ToF32(f32ToBf16(NaN))));
});

Deno.test("f32ToBf16() inverts bf16ToF32() for all values but NaN", () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = bf16ToF32(bits);
    if (Number.isNaN(value)) ok(Number.isNaN(bf16ToF32(f32ToBf16(value))));
    else equal(f32ToBf16(value), bits);
  }
});

Deno.test("toFloats() reads bytes at any alignment, and F64 rounded once", () => {
  const bytes = new Uint8Array(17);
  new DataView(bytes.buffer).setFloat64(1, 1 + 2 ** -24 + 2 ** -40, true);
  equal(toFloats(bytes.subarray(1, 9), "F64", "x")[0], 1 + 2 ** -23);
  new DataView(bytes.buffer).setFloat32(5, -2.5, true);
  equal(toFloats(bytes.subarray(5, 9), "F32", "x")[0], -2.5);
  new DataView(bytes.buffer).setUint16(3, 0xc100, true);
  equal(toFloats(bytes.subarray(3, 5), "F16", "x")[0], -2.5);
  new DataView(bytes.buffer).setUint16(3, 0xc020, true);
  equal(toFloats(bytes.subarray(3, 5), "BF16", "x")[0], -2.5);
});

/** The float32 next to `value`, away from zero for step 1 and towards it for -1. */
function nextFloat(value: number, step: 1 | -1): number {
  view.setFloat32(0, value);
  view.setUint32(0, view.getUint32(0) + step);
  return view.getFloat32(0);
}
