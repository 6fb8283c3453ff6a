/** Exact conversions between the float formats of checkpoints; narrowing rounds to nearest even. */
import { CheckpointError, quote } from "../files/errors.ts";
import { type Dtype, DTYPE_BITS } from "./tensor_file.ts";

const floatBits = new Float32Array(1);
const intBits = new Uint32Array(floatBits.buffer);

/** float32 of half-precision bits. */
export function f16ToF32(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Half-precision bits of a float32; beyond 65504 (from 65520 on) it is infinity. */
export function f32ToF16(value: number): number {
  floatBits[0] = value;
  const bits = intBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and more round to infinity
  if (magnitude < 0x38800000) return sign | roundSubnormal(magnitude); // below 2^-14
  const half = magnitude - 0x38000000; // exponent bias 127 -> 15
  return sign | ((half + 0xfff + ((half >>> 13) & 1)) >>> 13);
}

/** Multiples of 2^-24 nearest to a float32 below 2^-14, given its bits without the sign. */
function roundSubnormal(magnitude: number): number {
  const exponent = magnitude >>> 23;
  if (exponent < 102) return 0; // below 2^-25
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent; // 14..24
  const half = 1 << (shift - 1);
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  return rest > half || (rest === half && (kept & 1)) ? kept + 1 : kept;
}

/** float32 of bfloat16 bits. */
export function bf16ToF32(bits: number): number {
  intBits[0] = bits << 16;
  return floatBits[0]!;
}

/** bfloat16 bits of a float32. */
export function f32ToBf16(value: number): number {
  floatBits[0] = value;
  const bits = intBits[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // stays a NaN
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

let halves: Float32Array | undefined;

/** float32 of every half, so that converting takes one look-up per value. */
export function halfToFloats(): Float32Array {
  return halves ??= Float32Array.from({ length: 1 << 16 }, (_, half) => f16ToF32(half));
}

/**
 * Values of a float type, in memory that may be that of `bytes`; halves are widened.
 * @param bytes little-endian, contiguous
 * @returns undefined if `dtype` isn't F16, BF16, F32 or F64
 */
export function floatValues(
  bytes: Uint8Array,
  dtype: Dtype,
): Float32Array | Float64Array | undefined {
  const size = DTYPE_BITS[dtype] / 8;
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const count = bytes.byteLength / size;
  if (dtype === "F64") return new Float64Array(buffer, byteOffset, count);
  if (dtype === "F32") return new Float32Array(buffer, byteOffset, count);
  if (dtype !== "F16" && dtype !== "BF16") return undefined;
  const words = new Uint16Array(buffer, byteOffset, count);
  const floats = new Float32Array(count);
  const bits = new Uint32Array(floats.buffer);
  const table = halfToFloats();
  for (let i = 0; i < count; i++) {
    if (dtype === "F16") floats[i] = table[words[i]!]!;
    else bits[i] = words[i]! << 16;
  }
  return floats;
}

/**
 * Values as float32.
 * @param bytes little-endian, contiguous
 * @param name of the tensor, for the message
 * @throws {CheckpointError} WrongDtype if `dtype` isn't F16, BF16, F32 or F64
 */
export function toFloats(bytes: Uint8Array, dtype: Dtype, name: string): Float32Array {
  const values = floatValues(bytes, dtype);
  if (!values) throw wrongDtype(name, dtype, "F32, F16, BF16 or F64");
  return values instanceof Float64Array ? Float32Array.from(values) : values;
}

const INTEGERS: Readonly<Partial<Record<Dtype, new (bytes: ArrayBuffer) => Integers>>> = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
};
type Integers = Iterable<number | bigint>;

/**
 * Values as plain integers; booleans are 0 and 1.
 * @throws {CheckpointError} WrongDtype for other types and for values beyond 2^53
 */
export function toIntegers(bytes: Uint8Array, dtype: Dtype, name: string): number[] {
  const Values = INTEGERS[dtype];
  if (!Values) throw wrongDtype(name, dtype, "integers");
  return Array.from(new Values(bytes.slice().buffer), (value) => exact(value, name));
}

function exact(value: number | bigint, name: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new CheckpointError(`Cannot use ${value} in ${quote(name)}: it is larger than 2^53`, {
    reason: "WrongDtype",
  });
}

function wrongDtype(name: string, dtype: Dtype, expected: string): CheckpointError {
  return new CheckpointError(`Cannot use ${quote(name)}: it holds ${dtype}, expected ${expected}`, {
    reason: "WrongDtype",
  });
}
