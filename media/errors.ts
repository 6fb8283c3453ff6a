import { CheckpointError, naming } from "../files/errors.ts";

/**
 * A file, stream or codec that media/ cannot read or write. The message is one line that names the
 * file, says what is wrong and, if possible, what to do.
 */
export class MediaError extends Error {
  /** Always `MediaError`. */
  override name = "MediaError";
}

/** A format, codec or pixel layout that these decoders do not support; others may. */
export class UnsupportedMediaError extends MediaError {
  override name = "UnsupportedMediaError";
}

/**
 * A file that keeps its reader busy without an end. Deno cannot stop that thread, which uses a core
 * until the process ends: a program that would run on should end, or have another take its place.
 */
export class StuckMediaError extends MediaError {
  override name = "StuckMediaError";
}

/**
 * The reader of a pipe has gone away. A program that streams to stdout should then end without a
 * message.
 */
export class ClosedPipeError extends MediaError {
  /** Always `ClosedPipeError`. */
  override name = "ClosedPipeError";
}

/** Whether `error` is what the system reports when the other end of a pipe is closed. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe ||
    (error instanceof Error && "code" in error && error.code === "EPIPE");
}

/** The message of anything thrown, on one line. */
export function reasonOf(error: unknown): string {
  // Deno's own words would send people to its flags
  if (error instanceof Deno.errors.NotCapable) return "the program may not open it";
  if (error instanceof Deno.errors.NotFound) return "there is no such file or folder";
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/\s+/g, " ").trim();
}

/** Does something with a file by the readers of files/, whose errors become this room's. */
export async function asMedia<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const named = naming(path, error);
    throw named instanceof CheckpointError ? new MediaError(named.message) : named;
  }
}

/** The same for reading piece by piece. */
export async function* asMediaPieces<T>(path: string, pieces: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = pieces[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value, done } = await asMedia(path, () => iterator.next());
      if (done) return;
      yield value;
    }
  } finally {
    await iterator.return?.();
  }
}
