import { extname } from "node:path";
import { openSink } from "./byte_sink.ts";
import { ContainerWriter } from "./container_writer.ts";
import { MediaError } from "./errors.ts";
import { CheckedWriter, type FrameWriter } from "./frame_writer.ts";
import type { VideoCodec } from "./video_encoder.ts";

export type { FrameWriter, WrittenFile } from "./frame_writer.ts";
export type { VideoCodec } from "./video_encoder.ts";

/** How an output is written. Sizes are those of the frames handed in, in pixels. */
export interface WriterOptions {
  readonly width: number;
  readonly height: number;
  /** Frames a second. */
  readonly fps: number;
  /** How many frames will come, where known. */
  readonly frames?: number;
  /** H.264 unless told; VP9 in .webm. */
  readonly codec?: VideoCodec;
  /** 0 (smallest file) to 100 (finest picture); 80 unless told. */
  readonly quality?: number;
  /** Nearest-neighbour enlargement, a whole number. */
  readonly scale?: number;
  /** Text kept in the file: `comment`, `title` and any other name, such as `far.settings`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Actions that led to each frame, for formats that keep them. */
  readonly actions?: readonly number[];
}

/**
 * Opens an output by the extension of its name.
 *
 * @throws {MediaError} when the file cannot be made or the format cannot be written here
 */
export async function openFrameWriter(path: string, options: WriterOptions): Promise<FrameWriter> {
  const { width, height, scale = 1 } = options;
  const sink = await openSink(path);
  try {
    const writer = await ContainerWriter.open(sink, {
      container: extname(path) === ".webm" ? "webm" : "mp4",
      codec: options.codec ?? (extname(path) === ".webm" ? "vp9" : "avc"),
      width: width * scale,
      height: height * scale,
      fps: options.fps,
      quality: options.quality ?? 80,
      metadata: options.metadata,
    });
    return new CheckedWriter(path, width, height, scale, writer);
  } catch (error) {
    await sink.discard();
    throw error instanceof MediaError ? error : new MediaError(`Cannot write "${path}": ${error}`);
  }
}
