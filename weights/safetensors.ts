import { AtomicFile } from "../files/atomic_file.ts";
import { bytesOf } from "../files/bytes.ts";
import { FileSource } from "../files/file_source.ts";
import { CheckpointError, quote } from "../files/errors.ts";
import { toFloats, toIntegers } from "./floats.ts";
import { SafetensorsReader } from "./safetensors_reader.ts";
import { type SafetensorsEntry, writeSafetensors } from "./safetensors_writer.ts";
import type { TensorFile, TensorInfo } from "./tensor_file.ts";

export { headerLength, parseHeader, type SafetensorsHeader } from "./safetensors_header.ts";
export { type SafetensorsEntry, writeSafetensors };
export type { Dtype, TensorFile, TensorInfo } from "./tensor_file.ts";

/** A safetensors file: its header is read and checked at once, its tensors by range on demand. */
export class SafetensorsFile extends SafetensorsReader {
  /**
   * Reads and checks the header; values are read on demand.
   * @throws {CheckpointError} no such file, or any rule of the format is broken
   */
  static async open(path: string): Promise<SafetensorsFile> {
    return await FileSource.openFor(path, SafetensorsFile.from);
  }
}

/**
 * Values of a tensor as float32, rounded to nearest even if the file has F64.
 * @throws {CheckpointError} NotFound, or WrongDtype if it isn't F16, BF16, F32 or F64
 */
export async function readFloats(file: TensorFile, name: string): Promise<Float32Array> {
  const info = found(file, name);
  return toFloats(await file.read(info), info.dtype, name);
}

/**
 * Values of a tensor of integers or booleans.
 * @throws {CheckpointError} NotFound, or WrongDtype for other types and for values beyond 2^53
 */
export async function readIntegers(file: TensorFile, name: string): Promise<number[]> {
  const info = found(file, name);
  return toIntegers(await file.read(info), info.dtype, name);
}

/** Writes tensors as F32 into a .safetensors, atomically. @throws {CheckpointError} the disk fails */
export async function writeFloats(
  path: string,
  tensors: ReadonlyMap<string, Float32Array>,
  shapeOf: (name: string) => readonly number[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Promise<void> {
  await using sink = await AtomicFile.create(path);
  const entries = [...tensors].map(([name, values]): SafetensorsEntry => {
    return { name, dtype: "F32", shape: shapeOf(name), data: bytesOf(values) };
  });
  await writeSafetensors(sink, entries, metadata);
  await sink.commit();
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
