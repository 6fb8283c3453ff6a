import { checkSize } from "./budget.ts";
import { type Plane, type YuvColour, type YuvPicture, yuvToRgb } from "./color.ts";
import type { Packet } from "./demux.ts";
import { MediaError, reasonOf, UnsupportedMediaError } from "./errors.ts";
import type { RgbFrame } from "./frames.ts";
import type { PlaneLayout } from "./y4m.ts";
import {
  type CodecDecoder,
  type CodecFrame,
  type ColourTags,
  type DecoderConfig,
  loadWebCodecs,
  type WebCodecs,
} from "./webcodecs.ts";

/** Most pictures waiting in the addon. */
const QUEUE = 8;

/**
 * Turns compressed pictures into RGB frames with the native codecs. Frames come out in the order
 * they are shown. Their timestamps are not used, since the addon returns those in decoding order.
 */
export class AddonDecoder implements Disposable {
  readonly #codecs: WebCodecs;
  readonly #decoder: CodecDecoder;
  readonly #tags: ColourTags;
  #ready: CodecFrame[] = [];
  #failure: Error | undefined;

  /**
   * @param tags colours by the container, which take precedence over the decoder's
   * @throws {MediaError} if the addon cannot be loaded or does not support the codec
   */
  constructor(config: DecoderConfig, tags: ColourTags) {
    this.#codecs = loadWebCodecs();
    this.#tags = tags;
    this.#decoder = new this.#codecs.VideoDecoder({
      output: (frame) => this.#ready.push(frame),
      error: (error) => this.#failure ??= error,
    });
    try {
      this.#decoder.configure({ ...config, codec: withKnownLevel(config.codec) });
    } catch (error) {
      throw new UnsupportedMediaError(
        `the codec "${config.codec}" is unknown: ${reasonOf(error)}`,
      );
    }
  }

  /** Decodes a packet and yields the frames that are ready. */
  async *decode(packet: Packet): AsyncGenerator<DecodedFrame> {
    this.#throwFailure();
    try {
      this.#decoder.decode(new this.#codecs.EncodedVideoChunk({ ...packet, timestamp: 0 }));
    } catch (error) {
      await pause(); // The callback receives the reason.
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
    while (!this.#failure && this.#decoder.decodeQueueSize > QUEUE) await pause();
    yield* this.#take();
    this.#throwFailure();
  }

  /** Ends the stream and yields the remaining frames. */
  async *finish(): AsyncGenerator<DecodedFrame> {
    // The addon's promises do not keep the event loop alive.
    const alive = setInterval(() => {}, 1000);
    try {
      if (this.#decoder.state === "configured") await this.#decoder.flush();
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    } finally {
      clearInterval(alive);
    }
    yield* this.#take();
    this.#throwFailure();
  }

  [Symbol.dispose](): void {
    for (const frame of this.#ready) frame.close();
    this.#ready = [];
    if (this.#decoder.state !== "closed") this.#decoder.close();
  }

  *#take(): Generator<DecodedFrame> {
    while (this.#ready.length > 0) {
      const frame = this.#ready.shift()!;
      try {
        yield new DecodedFrame(frame, this.#tags);
      } finally {
        frame.close();
      }
    }
  }

  #throwFailure(): void {
    if (this.#failure) throw new MediaError(`it is damaged: ${reasonOf(this.#failure)}`);
  }
}

/** A picture in the decoder's memory, valid until the next one is requested. */
export class DecodedFrame {
  constructor(readonly frame: CodecFrame, readonly tags: ColourTags) {}

  /**
   * Whether the last column or row of colour is missing: the addon rounds the sides of chroma
   * planes down, and converts and crops pictures by the same planes.
   */
  get isColourCut(): boolean {
    const { width, height, chroma } = this.layout;
    return chroma !== undefined && ((width & chroma[0]) | (height & chroma[1])) === 1;
  }

  /** The layout of all its planes, if it is one whose chroma may be cut. */
  get layout(): PlaneLayout {
    const { width, height } = this.frame.visibleRect;
    const [, kind, bits = "8"] = /^I(420|422)A?(?:P(10|12))?$/.exec(this.frame.format ?? "") ?? [];
    const chroma = kind ? [1, kind === "420" ? 1 : 0] as const : undefined;
    return { width, height, bits: Number(bits), chroma, alpha: false };
  }

  /** The colour matrix and range. @throws {MediaError} if the stream names an unknown matrix */
  get colour(): YuvColour {
    return colourOf(this.tags, this.frame.colorSpace);
  }

  /**
   * Copies the picture out as RGB.
   *
   * @throws {MediaError} when its pixel format is unknown, or it is too large
   */
  async toRgb(): Promise<RgbFrame> {
    const { frame } = this;
    if (!frame.format) throw new UnsupportedMediaError("its pixel format is unknown");
    checkSize(frame.codedWidth, frame.codedHeight);
    const bytes = new Uint8Array(frame.allocationSize());
    const layout = await frame.copyTo(bytes);
    const { width, height } = frame.visibleRect;
    const packed = /^(RGB|BGR)[AX]$/.exec(frame.format);
    if (packed) return fromPacked(bytes, layout[0]!, width, height, packed[1] === "BGR");
    const picture = describePlanes(frame.format, bytes, layout, width, height);
    return yuvToRgb(picture, this.colour);
  }
}

/**
 * The matrix and range for conversion. An untagged stream counts as BT.601 in limited range, as in
 * libswscale, through which the data sets were read.
 *
 * @throws {MediaError} if the stream names an unknown matrix
 */
export function colourOf(container: ColourTags, stream: ColourTags): YuvColour {
  const matrix = container.matrix ?? stream.matrix;
  const fullRange = container.fullRange ?? stream.fullRange ?? false;
  switch (matrix) {
    case undefined:
    case null:
    case "smpte170m":
    case "bt470bg":
      return { matrix: "bt601", fullRange };
    case "bt709":
      return { matrix: "bt709", fullRange };
    case "bt2020-ncl":
      return { matrix: "bt2020", fullRange };
    default:
      throw new UnsupportedMediaError(`its colour matrix "${matrix}" is unknown`);
  }
}

/** Gives the planes of WebCodecs' pixel formats names. */
function describePlanes(
  format: string,
  bytes: Uint8Array,
  layout: readonly { readonly offset: number; readonly stride: number }[],
  width: number,
  height: number,
): YuvPicture {
  const planar = /^I(420|422|444)A?(?:P(10|12))?$/.exec(format);
  const bits = Number(planar?.[2] ?? 8);
  const data = bits === 8 ? bytes : new Uint16Array(bytes.buffer, 0, bytes.length >> 1);
  const plane = (index: number, step = 1, shift = 0): Plane => {
    const { offset, stride } = layout[index]!;
    const unit = data.BYTES_PER_ELEMENT;
    return { data, offset: offset / unit + shift, stride: stride / unit, step };
  };
  if (planar) {
    const chromaShiftX = planar[1] === "444" ? 0 : 1;
    const chromaShiftY = planar[1] === "420" ? 1 : 0;
    // See `isColourCut`.
    const chromaColumns = width >> chromaShiftX;
    const chromaRows = height >> chromaShiftY;
    const hasChroma = chromaColumns > 0 && chromaRows > 0;
    const chroma = hasChroma ? { u: plane(1), v: plane(2), chromaColumns, chromaRows } : {};
    return { width, height, bits, chromaShiftX, chromaShiftY, y: plane(0), ...chroma };
  }
  if (format === "NV12" || format === "NV21") {
    const [u, v] = format === "NV12"
      ? [plane(1, 2, 0), plane(1, 2, 1)]
      : [plane(1, 2, 1), plane(1, 2, 0)];
    return { width, height, bits, chromaShiftX: 1, chromaShiftY: 1, y: plane(0), u, v };
  }
  throw new UnsupportedMediaError(`its pixel format "${format}" is unknown`);
}

/** Drops the fourth byte of each pixel. Transparent pixels keep their colour. */
function fromPacked(
  bytes: Uint8Array,
  { offset, stride }: { readonly offset: number; readonly stride: number },
  width: number,
  height: number,
  blueFirst: boolean,
): RgbFrame {
  const data = new Uint8Array(width * height * 3);
  const [red, blue] = blueFirst ? [2, 0] : [0, 2];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = offset + y * stride + x * 4;
      const to = (y * width + x) * 3;
      data[to] = bytes[from + red]!;
      data[to + 1] = bytes[from + 1]!;
      data[to + 2] = bytes[from + blue]!;
    }
  }
  return { width, height, data };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/**
 * The addon does not know H.264's level 1b, which x264 uses for small slow pictures; 1.1 contains
 * it.
 */
function withKnownLevel(codec: string): string {
  return codec.replace(/^(avc[13]\.[0-9a-f]{4})09$/i, (_, profile) => `${profile}0b`);
}
