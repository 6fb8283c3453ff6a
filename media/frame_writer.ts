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

/**
 * Checks every frame's size, enlarges it `scale`-fold, refuses an empty video, and aborts the inner
 * writer if anything fails.
 */
export class CheckedWriter implements FrameWriter, AsyncDisposable {
  #frames = 0;
  #ended = false;

  constructor(
    readonly path: string,
    readonly width: number,
    readonly height: number,
    readonly scale: number,
    readonly writer: FrameWriter,
  ) {}

  async write(frame: RgbFrame): Promise<void> {
    checkFrame(frame);
    if (frame.width !== this.width || frame.height !== this.height) {
      throw new TypeError(
        `Cannot write a frame of ${frame.width}x${frame.height} to "${this.path}": ` +
          `it was opened for ${this.width}x${this.height}`,
      );
    }
    await this.#orAbort(() => this.writer.write(enlarge(frame, this.scale)));
    this.#frames++;
  }

  async close(): Promise<WrittenFile> {
    const written = await this.#orAbort(() => {
      if (this.#frames === 0) {
        throw new MediaError(`Cannot write "${this.path}": there are no frames`);
      }
      return this.writer.close();
    });
    this.#ended = true;
    return written;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.writer.abort();
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
