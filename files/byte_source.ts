import { CheckpointError, quote } from "./errors.ts";

/** Bytes that are read by position: a file, or memory. */
export interface ByteSource {
  /** For messages. */
  readonly path: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Fills `into` with the bytes from `position` on.
   * @throws {CheckpointError} ShortRead or FileChanged
   */
  read(position: number, into: Uint8Array): Promise<void>;
  close(): void;
}

/** Bytes in memory with the interface of a file. */
export class MemorySource implements ByteSource {
  constructor(private readonly bytes: Uint8Array, readonly path = "memory") {}

  get size(): number {
    return this.bytes.length;
  }

  read(position: number, into: Uint8Array): Promise<void> {
    if (position < 0 || position + into.length > this.size) {
      return Promise.reject(shortRead(this.path, position + into.length, this.size));
    }
    into.set(this.bytes.subarray(position, position + into.length));
    return Promise.resolve();
  }

  close(): void {}
}

/** The `length` bytes from `position` on. @throws {CheckpointError} ShortRead or FileChanged */
export async function bytesAt(
  source: ByteSource,
  position: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (position + length > source.size) {
    throw shortRead(source.path, position + length, source.size);
  }
  const bytes = new Uint8Array(length);
  await source.read(position, bytes);
  return bytes;
}

/** The `length` bytes from `position` on, in pieces of at most `piece`. @throws as `bytesAt` */
export async function* piecesAt(
  source: ByteSource,
  position: number,
  length: number,
  piece = 2 ** 16,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < length; at += piece) {
    yield await bytesAt(source, position + at, Math.min(piece, length - at));
  }
}

/** @internal The error for bytes beyond the end. */
export function shortRead(path: string, wanted: number, end: number): CheckpointError {
  return new CheckpointError(
    `Cannot read ${quote(path)}: it ends at byte ${end}, ${wanted} bytes are needed`,
    { file: path, reason: "ShortRead" },
  );
}
