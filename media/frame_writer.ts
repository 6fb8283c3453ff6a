import { MediaError } from "./errors.ts";
import { checkFrame, enlarge, type RgbFrame } from "./frames.ts";

/** What a finished output is. */
export interface WrittenFile {
  /** The name it has, or `stdout`. */
  readonly path: string;
  /** Frames written. */
  readonly frames: number;
  /** Size of the file. */
  readonly bytes: number;
}

/** Takes frames one by one. Until `close()` resolves there is no file under the final name. */
export interface FrameWriter {
  /** Writes the next frame. */
  write(frame: RgbFrame): Promise<void>;
  /** Finishes the output and puts it in its place. */
  close(): Promise<WrittenFile>;
  /** Gives up and removes what was written. */
  abort(): Promise<void>;
}

/**
 * Holds every frame to the size that was announced, enlarges it `scale`-fold, refuses an empty video
 * and aborts the writer behind it when anything fails.
 */
export class CheckedWriter implements FrameWriter {
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
