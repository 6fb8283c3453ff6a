import { AtomicFile } from "../files/atomic_file.ts";
import type { ByteSink } from "./byte_sink.ts";
import type { Container, ContainerOptions } from "./container_writer.ts";
import { MediaError, reasonOf } from "./errors.ts";
import { ffmpegFailure, ffmpegPath, startFfmpeg } from "./ffmpeg_program.ts";
import type { FrameFormat } from "./frame_writer.ts";
import type { RgbFrame } from "./frames.ts";
import { fractionOf } from "./raw_writer.ts";
import { padToEven, rgbToI420 } from "./color.ts";
import { bitrateOf, codedSize, type VideoCodec } from "./video_encoder.ts";

/** The encoder of FFmpeg for each codec, with settings near those of the native one. */
const ENCODERS: Readonly<Record<VideoCodec, readonly string[]>> = {
  avc: ["libx264", "-preset", "veryfast"],
  hevc: ["libx265", "-preset", "veryfast", "-x265-params", "log-level=error", "-tag:v", "hvc1"],
  vp9: ["libvpx-vp9", "-deadline", "good", "-cpu-used", "4"],
  av1: ["libsvtav1", "-preset", "8"],
};

/**
 * Writes MP4, MOV, WebM or MKV with the system's ffmpeg, if the native codecs cannot be loaded. It
 * receives I420 made here, with the matching tags (BT.709, limited range).
 */
export class FfmpegWriter implements FrameFormat {
  readonly #sink: ByteSink;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #complaints: Promise<string>;
  readonly #output: Promise<void>;
  #failure: unknown;

  /** @param sink a file, which ffmpeg then writes itself, or stdout */
  constructor(sink: ByteSink, options: ContainerOptions) {
    this.#sink = sink;
    const target = sink instanceof AtomicFile ? ffmpegPath(sink.partialPath) : "pipe:1";
    this.#child = startFfmpeg([...inputArgs(options), ...outputArgs(options), target], "piped");
    this.#stdin = this.#child.stdin.getWriter();
    this.#complaints = new Response(this.#child.stderr).text();
    this.#output = this.#passOn().catch((error) => {
      this.#failure ??= error;
    });
  }

  async write(frame: RgbFrame): Promise<void> {
    const bytes = rgbToI420(padToEven(frame), { matrix: "bt709", fullRange: false });
    try {
      await this.#stdin.write(bytes);
    } catch (error) {
      throw await this.#explain(error);
    }
    if (this.#failure) throw this.#failure;
  }

  async finish(): Promise<void> {
    await this.#stdin.close().catch(() => {}); // Its exit status says more.
    await this.#output;
    if (this.#failure) throw this.#failure;
    if (!(await this.#child.status).success) throw await this.#explain(undefined);
    await this.#complaints;
    if (this.#sink instanceof AtomicFile) await this.#sink.adopt();
  }

  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has already ended.
    }
    await this.#stdin.abort().catch(() => {});
    await Promise.all([this.#output, this.#complaints, this.#child.status]);
  }

  /** Passes on ffmpeg's stdout; nothing if it writes a file. */
  async #passOn(): Promise<void> {
    for await (const bytes of this.#child.stdout) await this.#sink.write(bytes);
  }

  async #explain(error: unknown): Promise<unknown> {
    await this.#child.status;
    if (this.#failure) return this.#failure;
    const words = await this.#complaints;
    const reason = words.trim() ? ffmpegFailure(words).message : reasonOf(error);
    return new MediaError(`Cannot write "${this.#sink.path}": ${reason}`);
  }
}

function inputArgs({ width, height, fps }: ContainerOptions): string[] {
  const coded = codedSize(width, height);
  const size = `${coded.width}x${coded.height}`;
  const rate = fractionOf(fps).join("/");
  return ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", rate, "-i", "pipe:0"];
}

function outputArgs(
  { codec, container, width, height, fps, quality, metadata }: ContainerOptions,
): string[] {
  const bitrate = bitrateOf(quality, width, height, fps);
  const colours = ["primaries", "trc"].flatMap((what) => [`-color_${what}`, "bt709"]);
  const tags = Object.entries(metadata ?? {}).flatMap((
    [name, value],
  ) => ["-metadata", `${name}=${value}`]);
  return [
    "-c:v",
    ...ENCODERS[codec],
    ...["-b:v", String(bitrate), "-g", String(Math.max(1, Math.round(2 * fps)))],
    ...colours,
    ...["-colorspace", "bt709", "-color_range", "tv"],
    ...tags,
    ...formatArgs(container),
  ];
}

function formatArgs(container: Container): string[] {
  const tags = "+use_metadata_tags";
  switch (container) {
    case "webm":
      return ["-f", "webm"];
    case "mkv":
      return ["-f", "matroska"];
    case "fragmented-mp4":
      return ["-f", "mp4", "-movflags", `+frag_keyframe+empty_moov${tags}`];
    default:
      return ["-f", container, "-movflags", `+faststart${tags}`];
  }
}
