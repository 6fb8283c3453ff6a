import { writeAll } from "../files/byte_sink.ts";
import { ClosedPipeError, isBrokenPipe, MediaError, reasonOf } from "./errors.ts";
import { createOutput } from "./output_file.ts";

/** Target of an output's bytes: a file that appears when it is complete, or standard output. */
export interface ByteSink {
  /** Name for messages: the path, or `stdout`. */
  readonly path: string;
  /** Bytes so far. */
  readonly size: number;
  write(bytes: Uint8Array): Promise<void>;
  /** Writes at a byte position; a pipe accepts only the end. */
  writeAt(bytes: Uint8Array, position: number): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * Opens the sink for an output name; `-` is standard output.
 *
 * @throws {MediaError} if the file cannot be created, or stdout is a terminal
 */
export async function openSink(path: string): Promise<ByteSink> {
  if (path !== "-") return await createOutput(path);
  if (!Deno.stdout.isTerminal()) return new StdoutSink();
  throw new MediaError("Cannot write a video to the terminal: pipe stdout on, or name a file");
}

/** Standard output as a sink; what is written cannot be undone. */
export class StdoutSink implements ByteSink {
  readonly path = "stdout";
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * Writes all of `bytes`.
   *
   * @throws {ClosedPipeError} when the reader has gone away
   */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(Deno.stdout, bytes);
    } catch (error) {
      if (isBrokenPipe(error)) throw new ClosedPipeError("The reader of stdout has gone away");
      throw new MediaError(`Cannot write to stdout: ${reasonOf(error)}`);
    }
    this.#size += bytes.length;
  }

  async writeAt(bytes: Uint8Array, position: number): Promise<void> {
    if (position !== this.#size) throw new MediaError("Cannot go back in stdout: it is a pipe");
    await this.write(bytes);
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }
}
