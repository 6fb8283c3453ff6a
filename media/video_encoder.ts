import { padToEven, rgbToI420, type YuvColour } from "./color.ts";
import { MediaError, reasonOf } from "./errors.ts";
import type { RgbFrame } from "./frames.ts";
import {
  type CodecEncoder,
  type ColourTags,
  type DecoderConfig,
  loadWebCodecs,
  type WebCodecs,
} from "./webcodecs.ts";

/** Codecs for writing video files, by their WebCodecs names. */
export type VideoCodec = "avc" | "hevc" | "av1" | "vp9";

/** One encoded picture. `index` counts frames in the order they are shown. */
export interface EncodedFrame {
  readonly index: number;
  readonly key: boolean;
  readonly data: Uint8Array;
}

/** Settings of an encoder; sizes in pixels, `fps` in frames per second. */
export interface EncoderOptions {
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** 0 (smallest) to 100 (finest). */
  readonly quality: number;
  /** Seconds between key frames (2). */
  readonly keyFrameSeconds?: number;
}

/**
 * The colours of a stream, for the container's tags and for `rgbToI420`. The addon writes no matrix
 * into the stream itself. For H.264, readers then use the container's: BT.709. FFmpeg's decoders of
 * the others override the container with "unknown", which everybody shows as BT.601, so those are
 * written in BT.601; the container says so too.
 */
export function streamColour(codec: VideoCodec) {
  const matrix = codec === "avc" ? "bt709" : "bt601";
  return {
    yuv: { matrix, fullRange: false } as const satisfies YuvColour,
    tags: {
      primaries: "bt709",
      transfer: "bt709",
      matrix: matrix === "bt709" ? "bt709" : "smpte170m",
      fullRange: false,
    } as const satisfies ColourTags,
  };
}

/** Most frames waiting inside the addon; more would only take memory. */
const QUEUE = 8;

/** The largest picture of each level, in pixels. Source: VP9 and AV1 specifications, annex A. */
const VP9_LEVELS = [[10, 36864], [20, 122880], [30, 552960], [40, 2228224], [50, 8912896]] as const;
const AV1_LEVELS = [[0, 147456], [4, 665856], [8, 2359296], [12, 8912896]] as const;

/** The lowest rate that all encoders accept, in bits per second: x264 refuses less than 1000. */
const LEAST_BITRATE = 1500;

/**
 * Bits a second for a quality: 0.05 bits a pixel at 0, doubled by every 15 more, so 2 at 80 and 5 at
 * 100. The model's pictures are small, so each needs more bits a pixel than film does. x264 finds no
 * more to spend from 2.4 (at 64x64) on.
 */
export function bitrateOf(quality: number, width: number, height: number, fps: number): number {
  return Math.max(LEAST_BITRATE, Math.round(width * height * fps * 0.05 * 2 ** (quality / 15)));
}

/**
 * The least width and height of a codec. The addon's x265 writes past its buffers when a picture is
 * narrower than about 50 pixels.
 */
export function smallestSide(codec: VideoCodec): number {
  return codec === "hevc" ? 64 : 1;
}

/** Size of the coded picture: even, as H.264 and HEVC require and the addon assumes for all. */
export function codedSize(width: number, height: number) {
  return { width: width + (width & 1), height: height + (height & 1) };
}

/**
 * The stream's description for the muxer: sizes and colour tags are ours, the rest is the
 * encoder's.
 */
export function muxedConfig(
  { codec, description }: Pick<DecoderConfig, "codec" | "description">,
  options: Pick<EncoderOptions, "codec" | "width" | "height">,
) {
  const { width, height } = codedSize(options.width, options.height);
  const colorSpace = streamColour(options.codec).tags;
  return { codec, description, codedWidth: width, codedHeight: height, colorSpace };
}

/**
 * Turns RGB frames into compressed pictures with the native codecs: 4:2:0, BT.709, limited range.
 * Pictures of odd size are padded to even sizes by repeating their edge.
 */
export class AddonEncoder {
  readonly #codecs: WebCodecs;
  readonly #encoder: CodecEncoder;
  readonly #options: EncoderOptions;
  #ready: EncodedFrame[] = [];
  #count = 0;
  #failure: Error | undefined;
  #decoderConfig: DecoderConfig | undefined;

  /** @throws {MediaError} when the addon cannot be loaded or refuses the settings */
  constructor(options: EncoderOptions) {
    this.#codecs = loadWebCodecs();
    this.#options = options;
    this.#encoder = new this.#codecs.VideoEncoder({
      output: (chunk, metadata) => {
        this.#decoderConfig ??= metadata?.decoderConfig;
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        const index = Math.round(chunk.timestamp * codecRate(options.fps) / 1e6);
        this.#ready.push({ index, key: chunk.type === "key", data });
      },
      error: (error) => this.#failure ??= error,
    });
    this.#attempt(() => this.#encoder.configure(encoderConfig(options)));
  }

  /** Description of the stream, known once the first picture is out. */
  get decoderConfig(): DecoderConfig {
    if (!this.#decoderConfig) throw new MediaError("The video encoder did not describe its stream");
    return this.#decoderConfig;
  }

  /** Encodes a frame and returns the pictures that are ready, in decoding order. */
  async encode(frame: RgbFrame): Promise<EncodedFrame[]> {
    this.#attempt(() => this.#submit(frame));
    while (!this.#failure && this.#encoder.encodeQueueSize > QUEUE) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return this.#take();
  }

  /** Ends the stream and returns the remaining pictures. */
  async finish(): Promise<EncodedFrame[]> {
    try {
      await this.#encoder.flush();
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
    const rest = this.#take();
    this.close();
    return rest;
  }

  /** Closes the encoder. */
  close(): void {
    if (this.#encoder.state !== "closed") this.#encoder.close();
  }

  #submit(frame: RgbFrame): void {
    const { codec, fps, keyFrameSeconds = 2 } = this.#options;
    const rate = codecRate(fps);
    const even = padToEven(frame);
    const picture = new this.#codecs.VideoFrame(rgbToI420(even, streamColour(codec).yuv), {
      format: "I420",
      codedWidth: even.width,
      codedHeight: even.height,
      timestamp: Math.round(this.#count * 1e6 / rate),
      duration: Math.round(1e6 / rate),
      colorSpace: streamColour(codec).tags,
    });
    try {
      const interval = Math.max(1, Math.round(keyFrameSeconds * fps));
      this.#encoder.encode(picture, { keyFrame: this.#count % interval === 0 });
    } finally {
      picture.close();
    }
    this.#count++;
  }

  #attempt(action: () => void): void {
    if (!this.#failure) {
      try {
        action();
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
      }
    }
    this.#throwFailure();
  }

  #take(): EncodedFrame[] {
    this.#throwFailure();
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  #throwFailure(): void {
    if (!this.#failure) return;
    const { codec, width, height } = this.#options;
    throw new MediaError(
      `Cannot encode ${codec} at ${width}x${height}: ${reasonOf(this.#failure)}`,
    );
  }
}

function encoderConfig(options: EncoderOptions): Record<string, unknown> {
  const { codec, fps, quality } = options;
  const { width, height } = codedSize(options.width, options.height);
  return {
    codec: codecString(codec, width * height),
    width,
    height,
    framerate: codecRate(fps),
    bitrate: bitrateOf(quality, width, height, fps),
    bitrateMode: "variable",
    // The addon stamps pictures in the order they come out, which is wrong with B-frames; x265 only
    // leaves them out when asked for speed. "quality" of the others has none.
    latencyMode: codec === "hevc" ? "realtime" : "quality",
    ...(codec === "avc" && { avc: { format: "avc" } }),
    ...(codec === "hevc" && { hevc: { format: "hevc" } }),
  };
}

/** Profile and level. x264 and x265 work out the level themselves and write it into the stream. */
function codecString(codec: VideoCodec, pixels: number): string {
  if (codec === "avc") return "avc1.640034";
  if (codec === "hevc") return "hvc1.1.6.L156.B0";
  if (codec === "vp9") return `vp09.00.${levelOf(VP9_LEVELS, pixels, 60)}.08`;
  return `av01.0.${levelOf(AV1_LEVELS, pixels, 16)}M.08`;
}

/**
 * The addon takes whole frames per second and fails below one; only the container keeps slow rates.
 */
function codecRate(fps: number): number {
  return Math.max(1, fps);
}

function levelOf(
  levels: readonly (readonly [level: number, pixels: number])[],
  pixels: number,
  largest: number,
): string {
  const fitting = levels.find(([, most]) => pixels <= most)?.[0] ?? largest;
  return String(fitting).padStart(2, "0");
}
