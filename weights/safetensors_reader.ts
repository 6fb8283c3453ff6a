import type { ByteSource } from "../files/byte_source.ts";
import { naming } from "../files/errors.ts";
import { headerLength, LENGTH_BYTES, LONGEST_HEADER, parseHeader } from "./safetensors_header.ts";
import { checkRange, type TensorFile, type TensorInfo } from "./tensor_file.ts";

/**
 * Safetensors in any source of bytes: the header is read and checked at once, tensors by range on
 * demand.
 */
export class SafetensorsReader implements TensorFile {
  /** Of the file. */
  readonly path: string;
  /** Metadata of the file. */
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #source: ByteSource;

  protected constructor(
    source: ByteSource,
    metadata: ReadonlyMap<string, string>,
    tensors: ReadonlyMap<string, TensorInfo>,
  ) {
    this.path = source.path;
    this.metadata = metadata;
    this.tensors = tensors;
    this.#source = source;
  }

  /** Reads the header from any source of bytes. @throws {CheckpointError} */
  static async from(source: ByteSource): Promise<SafetensorsReader> {
    try {
      const { metadata, tensors } = parseHeader(await readStart(source), source.size);
      return new SafetensorsReader(source, metadata, tensors);
    } catch (error) {
      throw naming(source.path, error);
    }
  }

  read(info: TensorInfo, into?: Uint8Array): Promise<Uint8Array> {
    return this.readRange(info, 0, info.bytes, into);
  }

  async readRange(
    info: TensorInfo,
    start: number,
    bytes: number,
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const target = checkRange(info, start, bytes, into);
    await this.#source.read(info.offset + start, target);
    return target;
  }

  /** Closes the file. */
  close(): void {
    this.#source.close();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The bytes that parseHeader needs; too few if the length itself is wrong, which it then reports.
 */
async function readStart(source: ByteSource): Promise<Uint8Array> {
  const start = new Uint8Array(Math.min(source.size, 64));
  await source.read(0, start);
  if (start.length < LENGTH_BYTES) return start;
  const view = new DataView(start.buffer);
  const claimed = view.getBigUint64(0, true);
  if (claimed > BigInt(LONGEST_HEADER) || Number(claimed) + LENGTH_BYTES > source.size) {
    return start;
  }
  const bytes = new Uint8Array(LENGTH_BYTES + headerLength(start, source.size));
  await source.read(0, bytes);
  return bytes;
}
