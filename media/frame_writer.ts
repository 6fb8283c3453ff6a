import type { ByteSink } from "./byte_sink.ts";
import { MediaError } from "./errors.ts";
import { checkFrame, enlarge, type RgbFrame } from "./frames.ts";

/** Facts about a finished output. */
export interface WrittenFile {
  /** Its name, or `stdout`. */
  readonly path: string;
  /** Frames written. */
  readonly frames: number;
  /** Size of the file. */
  readonly bytes: number;
}

/** Writes frames one by one. There is no file under the final name until `close()` resolves. */
export interface FrameWriter {
  /** Writes the next frame. */
  write(frame: RgbFrame): Promise<void>;
  /** Finishes the output and renames it to its final name. */
  close(): Promise<WrittenFile>;
  /** Discards what was written. */
  abort(): Promise<void>;
}

/** Where an output goes: what ends a `ByteSink`. */
export type OutputSink = Pick<ByteSink, "path" | "size" | "commit" | "discard">;

/** Writes frames in a format into a sink, which its owner ends. */
export interface FrameFormat {
  write(frame: RgbFrame): Promise<void>;
  /** Writes what follows the last frame. */
  finish?(): Promise<void>;
  /** Stops before that. */
  stop?(): Promise<void>;
}

/**
 * Checks every frame's size, enlarges it `scale`-fold, refuses an empty video, and discards the
 * output if anything fails.
 */
export class CheckedWriter implements FrameWriter, AsyncDisposable {
  #frames = 0;
  #ended = false;

  constructor(
    readonly path: string,
    /** Of the frames, and how many times they are enlarged. */
    readonly given: { readonly width: number; readonly height: number; readonly scale?: number },
    readonly sink: OutputSink,
    readonly format: FrameFormat,
  ) {}

  async write(frame: RgbFrame): Promise<void> {
    checkFrame(frame);
    const { width, height, scale = 1 } = this.given;
    if (frame.width !== width || frame.height !== height) {
      throw new TypeError(
        `Cannot write a frame of ${frame.width}x${frame.height} to "${this.path}": ` +
          `it was opened for ${width}x${height}`,
      );
    }
    await this.#orAbort(() => this.format.write(enlarge(frame, scale)));
    this.#frames++;
  }

  async close(): Promise<WrittenFile> {
    await this.#orAbort(async () => {
      if (this.#frames === 0) {
        throw new MediaError(`Cannot write "${this.path}": there are no frames`);
      }
      await this.format.finish?.();
      await this.sink.commit();
    });
    this.#ended = true;
    return { path: this.sink.path, frames: this.#frames, bytes: this.sink.size };
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.format.stop?.();
    await this.sink.discard();
  }

  /** Discards what was written, unless it was closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  async #orAbort<T>(action: () => Promise<T>): Promise<T> {
    if (this.#ended) throw new MediaError(`Cannot write "${this.path}": it is already closed`);
    try {
      return await action();
    } catch (error) {
      await this.abort();
      throw error;
    }
  }
}
