import { extname } from "node:path";
import { type ByteSink, openSink, StdoutSink } from "./byte_sink.ts";
import type { SheetLabels } from "./contact_sheet.ts";
import type { Container, ContainerOptions } from "./container_writer.ts";
import { MediaError, reasonOf } from "./errors.ts";
import { ffmpegVersion } from "./ffmpeg_program.ts";
import { FfmpegWriter } from "./ffmpeg_writer.ts";
import { CheckedWriter, type FrameFormat, type FrameWriter } from "./frame_writer.ts";
import { GifWriter } from "./gif_writer.ts";
import { NpzWriter } from "./npz_writer.ts";
import { SequenceWriter, SheetWriter } from "./png_writer.ts";
import { checkNumberForm, isPattern } from "./numbered_names.ts";
import { openRgb24Writer, openY4mWriter } from "./raw_writer.ts";
import { smallestSide, type VideoCodec } from "./video_encoder.ts";
import { webCodecsProblem } from "./webcodecs.ts";

export type { FrameWriter, WrittenFile } from "./frame_writer.ts";
export type { VideoCodec } from "./video_encoder.ts";

/** Format of an output. `png` is one contact sheet, or with `%d` in its name one file per frame. */
export type OutputFormat = "mp4" | "mov" | "webm" | "mkv" | "gif" | "png" | "y4m" | "npz" | "rgb24";

/** Formats that can be watched while they are written. */
const STREAM_FORMATS = ["mp4", "y4m", "rgb24"] as const satisfies OutputFormat[];

/** Settings of an output. Sizes are those of the frames passed in, in pixels. */
export interface WriterOptions {
  /** Of the frames, in pixels. */
  readonly width: number;
  /** Of the frames, in pixels. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** Number of frames, if known: then a wrong number of actions is found before the first. */
  readonly frames?: number;
  /** Codec (H.264; VP9 in .webm). */
  readonly codec?: VideoCodec;
  /** 0 (smallest file) to 100 (best picture); default 80. */
  readonly quality?: number;
  /** Nearest-neighbour enlargement, a whole number. */
  readonly scale?: number;
  /**
   * Text to store in the file: `comment`, `title` and any other name, such as `far.settings`.
   * Entries added before `close()` are stored too, except in .webm, .mkv, fragments and files
   * written by the system's ffmpeg.
   */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Numbers, a border around given frames, and captions on a contact sheet. */
  readonly labels?: SheetLabels;
  /** Actions that led to each frame, for formats that keep them; all are read in `close()`. */
  readonly actions?: readonly number[];
  /** Format for stdout; a file's format follows from its name. */
  readonly format?: OutputFormat;
}

const EXTENSIONS: Readonly<Record<string, OutputFormat>> = {
  ".mp4": "mp4",
  ".mov": "mov",
  ".webm": "webm",
  ".mkv": "mkv",
  ".gif": "gif",
  ".png": "png",
  ".y4m": "y4m",
  ".npz": "npz",
};
/** Codecs that a container is limited to. */
const CODECS: Readonly<Partial<Record<Container, readonly VideoCodec[]>>> = {
  webm: ["vp9", "av1"],
  mov: ["avc", "hevc"],
};
const DEFAULT_QUALITY = 80;

/**
 * The format of an output, by its name, or by `format` if the name is `-` (stdout).
 *
 * @throws {MediaError} when there is none
 */
export function outputFormat(path: string, format?: OutputFormat): OutputFormat {
  if (path === "-") {
    const streams: readonly string[] = STREAM_FORMATS;
    if (format && streams.includes(format)) return format;
    throw new MediaError(
      `Cannot write ${format ?? "a video"} to stdout: formats are ${streams.join(", ")}`,
    );
  }
  const found = EXTENSIONS[extname(path).toLowerCase()];
  if (!found) {
    throw new MediaError(
      `Cannot write "${path}": the name must end in ${Object.keys(EXTENSIONS).join(", ")}`,
    );
  }
  return found;
}

/**
 * Opens an output. Frames are written as they come, if the format allows; a file has its name only
 * when `close()` has resolved; with `await using` what is left unclosed is discarded.
 *
 * @param path a file, a `%d` pattern of .png files, or `-` for stdout
 * @throws {MediaError} if the file cannot be created or the format cannot be written here
 */
export async function openFrameWriter(
  path: string,
  options: WriterOptions,
): Promise<FrameWriter & AsyncDisposable> {
  const { width, height, scale = 1 } = options;
  checkOptions(path, options);
  const format = outputFormat(path, options.format);
  if (format === "png") checkNumberForm(path);
  if (format === "png" && isPattern(path)) {
    const files = new SequenceWriter(path, options.metadata);
    return new CheckedWriter(path, options, files, files);
  }
  const sink = await openSink(path);
  try {
    const written = { ...options, width: width * scale, height: height * scale };
    const writer = await openFormat(sink, format, written);
    return new CheckedWriter(path, options, sink, writer);
  } catch (error) {
    await sink.discard();
    throw named(path, error);
  }
}

/** Opens the writer of a format that is one file or stream; sizes are those written. */
async function openFormat(
  sink: ByteSink,
  format: OutputFormat,
  options: WriterOptions,
): Promise<FrameFormat> {
  switch (format) {
    case "mp4":
      return await openVideo(sink, options, sink instanceof StdoutSink ? "fragmented-mp4" : "mp4");
    case "mov":
    case "webm":
    case "mkv":
      return await openVideo(sink, options, format);
    case "gif":
      return new GifWriter(sink, options);
    case "png":
      return new SheetWriter(sink, options.metadata, options.labels);
    case "y4m":
      return openY4mWriter(sink, options);
    case "npz":
      return new NpzWriter(sink, options);
    case "rgb24":
      return openRgb24Writer(sink);
  }
}

/** Native codecs, or the system's ffmpeg, or an error that says which formats work. */
async function openVideo(
  sink: ByteSink,
  { quality = DEFAULT_QUALITY, codec, ...rest }: WriterOptions,
  container: Container,
): Promise<FrameFormat> {
  const options: ContainerOptions = {
    ...rest,
    codec: codec ?? (container === "webm" ? "vp9" : "avc"),
    quality,
    container,
  };
  const codecs = CODECS[container] ?? [options.codec];
  if (!codecs.includes(options.codec)) {
    throw new MediaError(`a .${container} contains ${codecs.join(" or ")}, not ${options.codec}`);
  }
  const { width, height } = options;
  const side = smallestSide(options.codec);
  if (Math.min(width, height) < side) {
    throw new MediaError(
      `${options.codec} needs at least ${side}x${side} pixels and the video has ` +
        `${width}x${height}; enlarge it with \`scale\` or set \`codec\` to avc`,
    );
  }
  const problem = webCodecsProblem();
  if (!problem) {
    const { ContainerWriter } = await import("./container_writer.ts"); // a large library
    return await ContainerWriter.open(sink, options);
  }
  if (await ffmpegVersion()) return new FfmpegWriter(sink, options);
  throw new MediaError(`${problem}. Install ffmpeg, or write .gif, .png, .y4m or .npz`);
}

function checkOptions(path: string, options: WriterOptions): void {
  const { width, height, fps, quality = DEFAULT_QUALITY, frames, actions } = options;
  const refuse = (reason: string) => new RangeError(`Cannot write "${path}": ${reason}`);
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw refuse(`invalid size ${width}x${height}`);
  }
  if (!(fps > 0 && fps <= 1000)) {
    throw refuse(`fps must be above 0 and at most 1000, but is ${fps}`);
  }
  if (!(quality >= 0 && quality <= 100)) {
    throw refuse(`quality must be 0 to 100, but is ${quality}`);
  }
  if (frames !== undefined && actions && actions.length !== frames) {
    throw refuse(`it has ${frames} frames, but ${actions.length} actions`);
  }
}

/** Adds the name of the output to errors that lack it. */
function named(path: string, error: unknown): unknown {
  if (error instanceof MediaError && error.message.startsWith("Cannot write ")) return error;
  return new MediaError(`Cannot write "${path}": ${reasonOf(error)}`);
}
