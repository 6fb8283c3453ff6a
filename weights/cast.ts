/** Changes the float type of tensors piece by piece and reports the rounding errors. */
import { CheckpointError, quote } from "../files/errors.ts";
import { bf16ToF32, f32ToBf16, f32ToF16, floatValues, halfToFloats } from "./floats.ts";
import type { Dtype } from "./tensor_file.ts";

/** Float types that tensors are written in. */
export type FloatDtype = "F32" | "F16" | "BF16";

const FLOATS: ReadonlySet<Dtype> = new Set(["F64", "F32", "F16", "BF16"]);

/** Whether values of this type are floats that can be cast. */
export function isFloat(dtype: Dtype): boolean {
  return FLOATS.has(dtype);
}

/** What casting one tensor did to its values. */
export interface CastReport {
  /** NaN and infinities in the source. */
  nonFinite: number;
  /** Finite values that became infinite. */
  overflows: number;
  /** The first of these. */
  firstOverflow: number | undefined;
  /** Largest |value - rounded|. */
  largestError: number;
  /** Largest |value|, for scale. */
  largestValue: number;
}

/** A report before the first value. */
export function emptyReport(): CastReport {
  return {
    nonFinite: 0,
    overflows: 0,
    firstOverflow: undefined,
    largestError: 0,
    largestValue: 0,
  };
}

/**
 * Casts values; rounding is to nearest even. NaN and infinities are counted and kept.
 * @param bytes whole values of type `from`, little-endian
 * @param report updated
 */
export function cast(
  bytes: Uint8Array,
  from: Dtype,
  to: FloatDtype,
  report: CastReport,
): Uint8Array {
  const values = floatValues(bytes, from);
  if (!values) throw new TypeError(`Cannot cast values of type ${from}`);
  const out = to === "F32" ? roundTo32(values, report) : roundTo16(values, to, report);
  return from === to ? bytes : out;
}

type Values = Float32Array | Float64Array;

function roundTo32(values: Values, report: CastReport): Uint8Array {
  const rounded = new Float32Array(values);
  for (let i = 0; i < values.length; i++) account(values[i]!, rounded[i]!, report);
  return new Uint8Array(rounded.buffer);
}

function roundTo16(values: Values, to: "F16" | "BF16", report: CastReport): Uint8Array {
  const words = new Uint16Array(values.length);
  const table = halfToFloats();
  const half = to === "F16";
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const word = half ? f32ToF16(toOdd(value)) : f32ToBf16(toOdd(value));
    words[i] = word;
    account(value, half ? table[word]! : bf16ToF32(word), report);
  }
  return new Uint8Array(words.buffer);
}

function account(value: number, rounded: number, report: CastReport): void {
  const size = Math.abs(value);
  if (!(size < Infinity)) {
    report.nonFinite++;
    return;
  }
  if (size > report.largestValue) report.largestValue = size;
  const error = Math.abs(value - rounded);
  if (error === Infinity) {
    report.overflows++;
    report.firstOverflow ??= value;
  } else if (error > report.largestError) report.largestError = error;
}

const floatView = new Float32Array(1);
const bitView = new Int32Array(floatView.buffer);

/**
 * Rounding a double to float32 first and then to 16 bits could round twice. So a double that is not
 * a float32 is replaced by the odd one of its two neighbours, from which the second rounding is
 * correct.
 */
function toOdd(value: number): number {
  const near = Math.fround(value);
  if (near === value || !(Math.abs(value) < Infinity)) return near;
  floatView[0] = near;
  if (bitView[0]! & 1) return near;
  // Towards the value; for finite floats, incrementing the bits increases the magnitude.
  bitView[0]! += Math.abs(near) < Math.abs(value) ? 1 : -1;
  return floatView[0]!;
}

/** How to treat values that a model cannot use. */
export interface CastPolicy {
  /** Write NaN and infinities as they are. */
  readonly allowNonFinite?: boolean;
}

/**
 * Refuses a tensor whose values do not survive the cast.
 * @throws {CheckpointError} NonFinite or Overflow
 */
export function checkCast(
  name: string,
  to: FloatDtype,
  report: CastReport,
  { allowNonFinite = false }: CastPolicy = {},
): void {
  if (report.nonFinite && !allowNonFinite) {
    throw new CheckpointError(
      `Cannot convert ${quote(name)}: ${report.nonFinite} of its values are NaN or infinite`,
      { reason: "NonFinite" },
    );
  }
  if (report.overflows) {
    throw new CheckpointError(
      `Cannot convert ${quote(name)} to ${to.toLowerCase()}: ${report.overflows} of its values, ` +
        `such as ${report.firstOverflow}, are too large for it; choose bf16 or f32`,
      { reason: "Overflow" },
    );
  }
}
