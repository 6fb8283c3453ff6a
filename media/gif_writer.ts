import gifenc from "gifenc";
import { writeGifFrame } from "./gif_frame.js";
import type { ByteSink } from "./byte_sink.ts";
import type { FrameFormat } from "./frame_writer.ts";
import { type RgbFrame, toRgba } from "./frames.ts";
import { toAscii } from "./text_tags.ts";

/** Options of an animation. */
export interface GifOptions {
  /** Frames per second. */
  readonly fps: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

const TRAILER = 0x3b;

/** Writes a GIF that repeats forever, in one pass over the frames. */
export class GifWriter implements FrameFormat {
  readonly #encoder = gifenc.GIFEncoder({ auto: false });
  #frames = 0;

  constructor(readonly sink: ByteSink, readonly options: GifOptions) {
    this.#encoder.writeHeader();
  }

  async write(frame: RgbFrame): Promise<void> {
    writeGifFrame(this.#encoder, toRgba(frame), this.#frames, this.options.fps);
    this.#frames++;
    await this.#flush();
  }

  async finish(): Promise<void> {
    for (const [name, value] of Object.entries(this.options.metadata ?? {})) {
      this.#encoder.stream.writeBytes(commentBlock(toAscii(`${name}=${value}`)));
    }
    this.#encoder.stream.writeByte(TRAILER);
    await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.sink.write(this.#encoder.bytes());
    this.#encoder.reset();
  }
}

/** A comment extension: text in pieces of up to 255 bytes. */
function commentBlock(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const block = new Uint8Array(2 + bytes.length + Math.ceil(bytes.length / 255) + 1);
  block.set([0x21, 0xfe]);
  for (let at = 0, to = 2; at < bytes.length; at += 255) {
    const piece = bytes.subarray(at, at + 255);
    block[to] = piece.length;
    block.set(piece, to + 1);
    to += 1 + piece.length;
  }
  return block;
}
