/** Exact conversions between the float formats of checkpoints; narrowing rounds to nearest even. */
import { CheckpointError, quote } from "../files/errors.ts";
import type { Dtype } from "./tensor_file.ts";

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
 * Values as float32.
 * @param bytes little-endian, contiguous
 * @param name of the tensor, for the message
 * @throws {CheckpointError} WrongDtype if `dtype` isn't F16, BF16, F32 or F64
 */
export function toFloats(bytes: Uint8Array, dtype: Dtype, name: string): Float32Array {
  const at = bytes.byteOffset;
  switch (dtype) {
    case "F32":
      return new Float32Array(aligned(bytes, 4));
    case "F64":
      return Float32Array.from(new Float64Array(aligned(bytes, 8)));
    case "F16":
    case "BF16": {
      const words = new DataView(bytes.buffer, at, bytes.byteLength);
      const table = dtype === "F16" ? halfToFloats() : undefined;
      const floats = new Float32Array(bytes.byteLength / 2);
      const raw = new Uint32Array(floats.buffer);
      for (let i = 0; i < floats.length; i++) {
        const word = words.getUint16(2 * i, true);
        if (table) floats[i] = table[word]!;
        else raw[i] = word << 16;
      }
      return floats;
    }
    default:
      throw wrongDtype(name, dtype, "F32, F16, BF16 or F64");
  }
}

/**
 * Values as plain integers; booleans are 0 and 1.
 * @throws {CheckpointError} WrongDtype for other types and for values beyond 2^53
 */
export function toIntegers(bytes: Uint8Array, dtype: Dtype, name: string): number[] {
  switch (dtype) {
    case "BOOL":
    case "U8":
      return Array.from(bytes);
    case "I8":
      return Array.from(new Int8Array(aligned(bytes, 1)));
    case "I16":
      return Array.from(new Int16Array(aligned(bytes, 2)));
    case "U16":
      return Array.from(new Uint16Array(aligned(bytes, 2)));
    case "I32":
      return Array.from(new Int32Array(aligned(bytes, 4)));
    case "U32":
      return Array.from(new Uint32Array(aligned(bytes, 4)));
    case "I64":
      return Array.from(new BigInt64Array(aligned(bytes, 8)), (v) => exact(v, name));
    case "U64":
      return Array.from(new BigUint64Array(aligned(bytes, 8)), (v) => exact(v, name));
    default:
      throw wrongDtype(name, dtype, "integers");
  }
}

/** The bytes, copied to a new buffer unless they begin at a multiple of `size`. */
function aligned(bytes: Uint8Array, size: number): ArrayBuffer {
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  if (whole && bytes.buffer instanceof ArrayBuffer && bytes.byteLength % size === 0) {
    return bytes.buffer;
  }
  return bytes.slice().buffer;
}

function exact(value: bigint, name: string): number {
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
