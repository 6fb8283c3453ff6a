import {
  BufferTarget,
  EncodedPacket,
  EncodedVideoPacketSource,
  Mp4OutputFormat,
  Output,
} from "mediabunny";
import { MediaError } from "./errors.ts";
import type { RgbFrame } from "./frames.ts";
import { AddonEncoder, type EncodedFrame, muxedConfig } from "./video_encoder.ts";

/** Settings of a session's video. */
export interface SessionVideoOptions {
  /** Of the frames, in pixels. */
  readonly width: number;
  /** Of the frames, in pixels. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** Frames compressed together (480): saving starts a new segment. */
  readonly segmentFrames?: number;
  /** Bytes kept (64 MB); then the oldest segment is dropped. */
  readonly mostBytes?: number;
}

/** A run of frames compressed independently, so that it can follow any other. */
interface Segment {
  readonly pictures: readonly EncodedFrame[];
  readonly description: Uint8Array | undefined;
  readonly codec: string;
  readonly bytes: number;
}

const CODEC = "avc";
const QUALITY = 75;
const SEGMENT_FRAMES = 480;
const MOST_BYTES = 64e6;

/**
 * An endless video that can be saved as an MP4 at any time. Frames are compressed as they come and
 * kept in memory, up to a fixed number of bytes; nothing is written to disk.
 */
export class SessionVideo {
  readonly #options: SessionVideoOptions;
  #encoder: AddonEncoder;
  #pictures: EncodedFrame[] = [];
  #pending = 0;
  #segments: Segment[] = [];
  #dropped = 0;
  /** Resolves when nothing uses the encoder. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Opens the encoder. @throws {MediaError} if there is no encoder */
  constructor(options: SessionVideoOptions) {
    this.#options = options;
    this.#encoder = this.#newEncoder();
  }

  /** Frames dropped at the beginning. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Encodes a frame. @throws {MediaError} the encoder failed */
  append(frame: RgbFrame): Promise<void> {
    return this.#inTurn(async () => {
      this.#pictures.push(...await this.#encoder.encode(frame));
      this.#pending++;
      const { segmentFrames = SEGMENT_FRAMES } = this.#options;
      if (this.#pending >= segmentFrames) await this.#endSegment();
    });
  }

  /**
   * The whole session so far as an MP4.
   * @throws {MediaError} there are no frames
   */
  save(metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array<ArrayBuffer>> {
    return this.#inTurn(async () => {
      if (this.#pending > 0) await this.#endSegment();
      return await this.#mux(metadata);
    });
  }

  /** One at a time: a save may be requested while a frame is being compressed. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #mux(metadata: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>> {
    const first = this.#segments[0];
    if (!first) throw new MediaError("Cannot save the session: it has no frames yet");
    const { comment, ...raw } = metadata;
    const source = new EncodedVideoPacketSource(CODEC);
    const target = new BufferTarget();
    const format = new Mp4OutputFormat({ fastStart: "in-memory", metadataFormat: "mdta" });
    const output = new Output({ format, target });
    const { fps } = this.#options;
    output.addVideoTrack(source, { frameRate: fps });
    output.setMetadataTags({ comment, raw });
    await output.start();
    const decoderConfig = muxedConfig(first, { ...this.#options, codec: CODEC });
    let frame = 0;
    for (const { key, data } of this.#segments.flatMap(({ pictures }) => pictures)) {
      const packet = new EncodedPacket(data, key ? "key" : "delta", frame / fps, 1 / fps);
      await source.add(packet, frame === 0 ? { decoderConfig } : undefined);
      frame++;
    }
    await output.finalize();
    return new Uint8Array(target.buffer!);
  }

  /** Closes the encoder. */
  close(): void {
    this.#encoder.close();
  }

  #newEncoder(): AddonEncoder {
    const { width, height, fps } = this.#options;
    return new AddonEncoder({ codec: CODEC, width, height, fps, quality: QUALITY });
  }

  async #endSegment(): Promise<void> {
    const pictures = [...this.#pictures, ...await this.#encoder.finish()];
    const { codec, description } = this.#encoder.decoderConfig;
    const bytes = pictures.reduce((sum, { data }) => sum + data.length, 0);
    this.#segments.push({ pictures, description, codec, bytes });
    this.#pictures = [];
    this.#pending = 0;
    this.#encoder = this.#newEncoder();
    this.#dropOldest();
  }

  #dropOldest(): void {
    const most = this.#options.mostBytes ?? MOST_BYTES;
    let held = this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
    while (held > most && this.#segments.length > 1) {
      const { bytes, pictures } = this.#segments.shift()!;
      held -= bytes;
      this.#dropped += pictures.length;
    }
  }
}
