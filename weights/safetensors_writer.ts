import type { ByteSink } from "../files/byte_sink.ts";
import { quote, shapeText } from "../files/errors.ts";
import { LENGTH_BYTES, LONGEST_HEADER } from "./safetensors_header.ts";
import { type Dtype, DTYPE_BITS, elements } from "./tensor_file.ts";

/** A tensor to write. */
export interface SafetensorsEntry {
  /** Of the tensor. */
  readonly name: string;
  /** Type of its values. */
  readonly dtype: Dtype;
  /** Its axes, slowest first. */
  readonly shape: readonly number[];
  /**
   * Contiguous, little-endian: as a whole, or in pieces that are requested when it is their turn.
   */
  readonly data: Uint8Array | AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>);
}

const RANK = new Map((Object.keys(DTYPE_BITS) as Dtype[]).map((dtype, rank) => [dtype, rank]));

/**
 * Writes a safetensors file as the reference does: widest dtypes first, then by name, the
 * header padded with spaces to 8 bytes.
 * @returns bytes written
 * @throws {RangeError} two tensors of the same name, or data whose length does not match its shape
 */
export async function writeSafetensors(
  sink: ByteSink,
  tensors: Iterable<SafetensorsEntry>,
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>> = {},
): Promise<number> {
  const sorted = sortTensors(tensors);
  const header = encodeHeader(sorted, metadata);
  await sink.write(header);
  let total = header.length;
  for (const tensor of sorted) {
    const expected = byteLength(tensor);
    let written = 0;
    for await (const piece of pieces(tensor)) {
      written += piece.length;
      if (written > expected) break;
      await sink.write(piece);
    }
    if (written !== expected) {
      throw new RangeError(
        `Cannot write ${quote(tensor.name)} ${tensor.dtype} ${shapeText(tensor.shape)}: ` +
          `it needs ${expected} bytes, its data has ${written > expected ? "more" : written}`,
      );
    }
    total += expected;
  }
  return total;
}

/** The tensors in the order their data is written. @throws {RangeError} two of the same name */
function sortTensors<T extends { name: string; dtype: Dtype }>(tensors: Iterable<T>): T[] {
  const encoder = new TextEncoder();
  const keyed = Array.from(tensors, (tensor) => ({ tensor, key: encoder.encode(tensor.name) }));
  const names = new Set(keyed.map(({ tensor }) => tensor.name));
  if (names.size !== keyed.length) {
    throw new RangeError("Cannot write two tensors of the same name");
  }
  keyed.sort((a, b) =>
    RANK.get(b.tensor.dtype)! - RANK.get(a.tensor.dtype)! || compareBytes(a.key, b.key)
  );
  return keyed.map(({ tensor }) => tensor);
}

/** Length prefix and JSON header for tensors already in the order of their data. */
function encodeHeader(
  tensors: readonly Omit<SafetensorsEntry, "data">[],
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): Uint8Array {
  const pairs = metadata instanceof Map ? [...metadata] : Object.entries(metadata);
  const parts: string[] = [];
  if (pairs.length) parts.push(`"__metadata__":${JSON.stringify(Object.fromEntries(pairs))}`);
  let position = 0;
  for (const tensor of tensors) {
    if (tensor.name === "__metadata__") {
      throw new RangeError("Cannot write a tensor named __metadata__");
    }
    const { dtype, shape } = tensor;
    const end = position + byteLength(tensor);
    const info = JSON.stringify({ dtype, shape, data_offsets: [position, end] });
    parts.push(`${JSON.stringify(tensor.name)}:${info}`);
    position = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > LONGEST_HEADER) {
    throw new RangeError(
      `Cannot write a header of ${length} bytes: the limit is ${LONGEST_HEADER}`,
    );
  }
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20, LENGTH_BYTES);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, LENGTH_BYTES);
  return header;
}

function byteLength({ name, dtype, shape }: Omit<SafetensorsEntry, "data">): number {
  const bytes = elements(shape) * DTYPE_BITS[dtype] / 8;
  if (
    !shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(bytes)
  ) {
    throw new RangeError(`Cannot write ${quote(name)}: no size for ${dtype} ${shapeText(shape)}`);
  }
  return bytes;
}

async function* pieces({ data }: SafetensorsEntry): AsyncIterable<Uint8Array> {
  if (data instanceof Uint8Array) yield data;
  else yield* typeof data === "function" ? data() : data;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}
