/**
 * Bits per element of each dtype of the safetensors format, in the format's order; files are
 * written in reverse order.
 */
export const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** @internal Element type of a tensor, as the safetensors format names it. */
export type Dtype = keyof typeof DTYPE_BITS;

/** A tensor's type, shape and place in its file. */
export interface TensorInfo {
  /** Of the tensor. */
  readonly name: string;
  /** Type of its values. */
  readonly dtype: Dtype;
  /** Its axes, slowest first. */
  readonly shape: readonly number[];
  /** Of its first byte in the file. */
  readonly offset: number;
  /** Length of its values in bytes, contiguous and little-endian. */
  readonly bytes: number;
}

/** A file of named tensors whose data is read by range: safetensors, or a PyTorch checkpoint. */
export interface TensorFile {
  /** Of the file. */
  readonly path: string;
  /** Metadata of the file. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Why values of these names cannot be read; an error only if one is needed. */
  readonly unread?: ReadonlyMap<string, string>;
  /**
   * All bytes of a tensor, contiguous and little-endian.
   * @param into of `info.bytes`; a new array by default
   */
  read(info: TensorInfo, into?: Uint8Array): Promise<Uint8Array>;
  /** `bytes` bytes of a tensor's values, from byte `start` on. */
  readRange(
    info: TensorInfo,
    start: number,
    bytes: number,
    into?: Uint8Array,
  ): Promise<Uint8Array>;
  /** Closes the file. */
  close(): void;
}

/** Number of values of a shape. */
export function elements(shape: readonly number[]): number {
  if (shape.includes(0)) return 0; // the other sizes may multiply to infinity
  return shape.reduce((product, size) => product * size, 1);
}

/** Checks a range and the target of a read. @throws {RangeError} */
export function checkRange(
  info: TensorInfo,
  start: number,
  bytes: number,
  into: Uint8Array | undefined,
): Uint8Array {
  const inside = Number.isSafeInteger(start) && Number.isSafeInteger(bytes) && start >= 0 &&
    bytes >= 0 && start + bytes <= info.bytes;
  if (!inside) {
    throw new RangeError(
      `Cannot read bytes ${start}..${start + bytes} of a tensor of ${info.bytes} bytes`,
    );
  }
  const target = into ?? new Uint8Array(bytes);
  if (target.length !== bytes) {
    throw new RangeError(`Cannot read ${bytes} bytes into an array of ${target.length}`);
  }
  return target;
}
