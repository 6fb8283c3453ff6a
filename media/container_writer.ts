import {
  EncodedPacket,
  EncodedVideoPacketSource,
  type MetadataTags,
  MkvOutputFormat,
  MovOutputFormat,
  Mp4OutputFormat,
  Output,
  type OutputFormat,
  StreamTarget,
  type StreamTargetChunk,
  WebMOutputFormat,
} from "mediabunny";
import type { ByteSink } from "./byte_sink.ts";
import { MediaError } from "./errors.ts";
import type { RgbFrame } from "./frames.ts";
import {
  AddonEncoder,
  type EncodedFrame,
  type EncoderOptions,
  muxedConfig,
} from "./video_encoder.ts";
import type { FrameFormat } from "./frame_writer.ts";

/** Container format. A fragmented MP4 can be watched while it is written. */
export type Container = "mp4" | "fragmented-mp4" | "mov" | "webm" | "mkv";

/** Options of a video file. */
export interface ContainerOptions extends EncoderOptions {
  readonly container: Container;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Seconds of video in each fragment of a stream. */
const FRAGMENT_SECONDS = 0.5;

/**
 * Writes MP4, MOV, WebM or MKV: native encoder, muxer, sink. Frame k is shown from k / fps to (k + 1) / fps.
 * In an MP4 or MOV the index comes first and custom metadata is kept under its own name (`mdta`).
 */
export class ContainerWriter implements FrameFormat {
  readonly #sink: ByteSink;
  readonly #options: ContainerOptions;
  readonly #encoder: AddonEncoder;
  readonly #source: EncodedVideoPacketSource;
  readonly #output: Output;
  readonly #tags: MetadataTags;
  #frames = 0;
  #packets = 0;
  #failure: unknown;

  private constructor(sink: ByteSink, options: ContainerOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#encoder = new AddonEncoder(
      options.container === "fragmented-mp4"
        ? { ...options, keyFrameSeconds: FRAGMENT_SECONDS }
        : options,
    );
    this.#source = new EncodedVideoPacketSource(options.codec);
    this.#output = new Output({ format: outputFormat(options.container), target: this.#target() });
    forgetTime(this.#output);
    this.#output.addVideoTrack(this.#source, { frameRate: options.fps });
    this.#tags = metadataTags(options.metadata ?? {});
    this.#output.setMetadataTags(this.#tags);
  }

  /**
   * Starts a file in `sink`.
   *
   * @throws {MediaError} if there is no encoder
   */
  static async open(sink: ByteSink, options: ContainerOptions): Promise<ContainerWriter> {
    const writer = new ContainerWriter(sink, options);
    await writer.#output.start();
    return writer;
  }

  async write(frame: RgbFrame): Promise<void> {
    await this.#mux(await this.#encoder.encode(frame));
    this.#frames++;
  }

  async finish(): Promise<void> {
    await this.#mux(await this.#encoder.finish());
    if (this.#packets !== this.#frames) {
      throw new MediaError(
        `Cannot finish "${this.#sink.path}": ${this.#frames} frames went into the encoder, ` +
          `${this.#packets} came out`,
      );
    }
    // the MP4 muxer reads the tags only now, so it includes what was added meanwhile
    Object.assign(this.#tags, metadataTags(this.#options.metadata ?? {}));
    await this.#guard(() => this.#output.finalize());
  }

  async stop(): Promise<void> {
    this.#encoder.close();
    try {
      if (this.#output.state === "started") await this.#output.cancel();
    } catch {
      // A broken target cannot be closed either; its error has already been reported.
    }
  }

  async #mux(pictures: EncodedFrame[]): Promise<void> {
    for (const { index, key, data } of pictures) {
      const { fps } = this.#options;
      const type = key ? "key" : "delta";
      const packet = new EncodedPacket(data, type, index / fps, 1 / fps);
      const description = this.#packets > 0 ? undefined : {
        decoderConfig: muxedConfig(this.#encoder.decoderConfig, this.#options),
      };
      await this.#guard(() => this.#source.add(packet, description));
      this.#packets++;
    }
  }

  /** The muxer wraps what its target throws; the first error of the sink is the one to report. */
  async #guard(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      throw this.#failure ?? error;
    }
    if (this.#failure) throw this.#failure;
  }

  #target(): StreamTarget {
    return new StreamTarget(
      new WritableStream<StreamTargetChunk>({
        write: async ({ data, position }) => {
          try {
            await this.#sink.writeAt(data, position);
          } catch (error) {
            this.#failure ??= error;
            throw error;
          }
        },
      }),
    );
  }
}

/**
 * Omits the creation time from an MP4 (0 means unknown), so that equal frames make equal files. The
 * muxer has no option for it, only this field.
 */
function forgetTime(output: Output): void {
  const muxer: { creationTime?: number } | undefined = Reflect.get(output, "_muxer");
  if (muxer?.creationTime !== undefined) muxer.creationTime = 0;
}

function outputFormat(container: Container): OutputFormat {
  switch (container) {
    case "webm":
      return new WebMOutputFormat();
    case "mkv":
      return new MkvOutputFormat();
    case "mov":
      return new MovOutputFormat({ fastStart: "in-memory", metadataFormat: "mdta" });
    case "mp4":
      return new Mp4OutputFormat({ fastStart: "in-memory", metadataFormat: "mdta" });
    case "fragmented-mp4":
      return new Mp4OutputFormat({
        fastStart: "fragmented",
        minimumFragmentDuration: FRAGMENT_SECONDS,
        metadataFormat: "mdta",
      });
  }
}

/** `title` and `comment` have places of their own in every container; other names are kept as is. */
function metadataTags(metadata: Readonly<Record<string, string>>): MetadataTags {
  const { title, comment, ...raw } = metadata;
  return { title, comment, raw };
}
