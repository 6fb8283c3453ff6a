import { deepEqual, equal, throws } from "node:assert/strict";
import { cast, checkCast, emptyReport } from "../../weights/cast.ts";

const f32 = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer);
const f64 = (...values: number[]) => new Uint8Array(new Float64Array(values).buffer);
const view = new DataView(new ArrayBuffer(8));

Deno.test("cast() to F16 agrees with the engine for floats and doubles", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const values = Array.from({ length: 20000 }, () => (random() - 0.5) * 2 ** (random() * 40 - 28));
  // ties between halves, and doubles just next to them, which careless code rounds twice
  for (let half = 1; half < 0x7bff; half += 97) {
    view.setUint16(0, half);
    const low = view.getFloat16(0);
    view.setUint16(0, half + 1);
    const middle = (low + view.getFloat16(0)) / 2;
    values.push(middle, middle * (1 + 2 ** -40), middle * (1 - 2 ** -40));
  }
  for (const [type, make] of [["F64", f64], ["F32", f32]] as const) {
    const source = type === "F64" ? values : values.map(Math.fround);
    const words = new Uint16Array(cast(make(...source), type, "F16", emptyReport()).buffer);
    source.forEach((value, i) => {
      view.setFloat16(0, value);
      equal(words[i], view.getUint16(0), `${value}`);
    });
  }
});

Deno.test("cast() to BF16 rounds doubles once", () => {
  const middle = 1 + 2 ** -8; // between two bfloat16, to even below
  const cast16 = (value: number) =>
    new Uint16Array(cast(f64(value), "F64", "BF16", emptyReport()).buffer)[0];
  equal(cast16(middle), 0x3f80);
  equal(cast16(middle + 2 ** -40), 0x3f81);
  equal(cast16(-middle - 2 ** -40), 0xbf81);
  equal(cast16(middle - 2 ** -40), 0x3f80);
  equal(cast16(2 ** -200), 0);
});

Deno.test("cast() widens exactly and says so", () => {
  const report = emptyReport();
  const halves = new Uint8Array(new Uint16Array([0x3c00, 0xc100, 1]).buffer);
  deepEqual(cast(halves, "F16", "F32", report), f32(1, -2.5, 2 ** -24));
  const words = new Uint8Array(new Uint16Array([0x3f80, 0xc020]).buffer);
  deepEqual(cast(words, "BF16", "F32", report), f32(1, -2.5));
  equal(report.largestError, 0);
  equal(report.largestValue, 2.5);
});

Deno.test("cast() reports the largest error, and counts values that are not finite", () => {
  const report = emptyReport();
  cast(f32(1, 1 + 2 ** -12, 3, NaN, Infinity, -Infinity), "F32", "F16", report);
  equal(report.largestError, 2 ** -12);
  equal(report.largestValue, 3);
  equal(report.nonFinite, 3);
  equal(report.overflows, 0);
});

Deno.test("cast() counts values beyond the new type", () => {
  const report = emptyReport();
  cast(f32(65504, 65519, 65520, -1e6), "F32", "F16", report);
  equal(report.overflows, 2);
  equal(report.firstOverflow, 65520);
  const wide = emptyReport();
  cast(f64(3.4e38, 3.5e38), "F64", "F32", wide);
  equal(wide.overflows, 1);
  const brain = emptyReport();
  cast(f32(3.4028235e38), "F32", "BF16", brain);
  equal(brain.overflows, 1);
});

Deno.test("cast() leaves bytes alone where the type stays, at any alignment", () => {
  const bytes = new Uint8Array(9);
  bytes.set(f32(1.5, NaN), 1);
  const report = emptyReport();
  const piece = bytes.subarray(1);
  equal(cast(piece, "F32", "F32", report), piece);
  equal(report.nonFinite, 1);
});

Deno.test("checkCast() refuses overflows always and non-finite values unless allowed", () => {
  const report = { ...emptyReport(), nonFinite: 2 };
  throws(() => checkCast("w", "F16", report), { reason: "NonFinite", message: /2 of its values/ });
  checkCast("w", "F16", report, { allowNonFinite: true });
  const over = { ...emptyReport(), overflows: 1, firstOverflow: 1e6 };
  throws(() => checkCast("w", "F16", over, { allowNonFinite: true }), {
    reason: "Overflow",
    message: /such as 1000000, .* bf16 or f32/,
  });
});
