import { type ByteSource, FileSource } from "../files/byte_source.ts";
import { CheckpointError, naming, quote } from "../files/errors.ts";
import { toFloats, toIntegers } from "./floats.ts";
import { headerLength, LENGTH_BYTES, LONGEST_HEADER, parseHeader } from "./safetensors_header.ts";
import { checkRange, type TensorFile, type TensorInfo } from "./tensor_file.ts";

export { headerLength, parseHeader, type SafetensorsHeader } from "./safetensors_header.ts";
export { type SafetensorsEntry, writeSafetensors } from "./safetensors_writer.ts";
export type { Dtype, TensorFile, TensorInfo } from "./tensor_file.ts";

/** A safetensors file: its header is read and checked at once, its tensors by range when asked. */
export class SafetensorsFile implements TensorFile {
  /** Of the file. */
  readonly path: string;
  /** Text beside the tensors. */
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #source: ByteSource;

  private constructor(
    source: ByteSource,
    metadata: ReadonlyMap<string, string>,
    tensors: ReadonlyMap<string, TensorInfo>,
  ) {
    this.path = source.path;
    this.metadata = metadata;
    this.tensors = tensors;
    this.#source = source;
  }

  /**
   * Reads and checks the header; values are read when asked.
   * @throws {CheckpointError} no such file, or any rule of the format is broken
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const source = await FileSource.open(path);
    try {
      return await SafetensorsFile.from(source);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** Reads the header from any source of bytes. @throws {CheckpointError} */
  static async from(source: ByteSource): Promise<SafetensorsFile> {
    try {
      const { metadata, tensors } = parseHeader(await readStart(source), source.size);
      return new SafetensorsFile(source, metadata, tensors);
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
}

/** The bytes parseHeader needs; short ones where the length itself is wrong, for it to say so. */
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

/**
 * Values of a tensor as float32, rounded to nearest even where the file has F64.
 * @throws {CheckpointError} NotFound, or WrongDtype if it isn't F16, BF16, F32 or F64
 */
export async function readFloats(file: TensorFile, name: string): Promise<Float32Array> {
  const info = found(file, name);
  return toFloats(await file.read(info), info.dtype, name);
}

/**
 * Values of a tensor of integers or booleans.
 * @throws {CheckpointError} NotFound, or WrongDtype if it has other types or values beyond 2^53
 */
export async function readIntegers(file: TensorFile, name: string): Promise<number[]> {
  const info = found(file, name);
  return toIntegers(await file.read(info), info.dtype, name);
}

function found(file: TensorFile, name: string): TensorInfo {
  const info = file.tensors.get(name);
  if (info) return info;
  throw new CheckpointError(`Cannot read ${quote(name)} from ${quote(file.path)}: no such tensor`, {
    file: file.path,
    reason: "NotFound",
    missing: [name],
  });
}
