import { Budget } from "./budget.ts";
import { MediaError } from "./errors.ts";
import { type FloatFrame, isRgb, type RgbFrame, toFloat } from "./frames.ts";
import type { Picks } from "./picks.ts";
import { fitFrame, type ResizeMethod } from "./resize.ts";

/** A frame that has been reached but perhaps need not be converted. */
export interface LazyFrame<F extends RgbFrame | FloatFrame = RgbFrame | FloatFrame> {
  /** Place in the source, from 0. */
  readonly index: number;
  /** Its pixels; only to be asked for before the next frame is. */
  pixels(): F | Promise<F>;
}

/** What a video file says of its picture. */
export interface VideoFacts {
  /** As WebCodecs names it, such as `avc1.64000b`; FFmpeg's name where FFmpeg reads it. */
  readonly codec: string;
  /** Frames shown. */
  readonly frames?: number;
  /** Seconds from the first frame to the end of the last. */
  readonly duration?: number;
}

/** What the header of a source says that it holds. */
export interface Announced {
  readonly width: number;
  readonly height: number;
  /** Frames, where it says. */
  readonly count?: number;
  /** Whether frames are floats. */
  readonly isFloat: boolean;
}

/** A source that has been opened: frames in the order they are shown, and what is known of them. */
export interface FrameStream {
  readonly frames: AsyncIterable<LazyFrame> | Iterable<LazyFrame>;
  /** Frames a second, where the source says. */
  readonly fps?: number;
  /** Whether compression has changed the pixels. */
  readonly lossy: boolean;
  /** The action that led to each frame, if the source holds them. */
  readonly actions?: readonly number[];
  /** What is wrong with them, where they are there and cannot be used. */
  readonly unusableActions?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Where it is known before any frame is read. */
  readonly announced?: Announced;
  /** Of a video file, where its index says. */
  readonly video?: VideoFacts;
  /** Lines for the user. They may still come while frames are read. */
  readonly warnings: string[];
}

/** Frames of one source, ready to use. */
export interface CollectedFrames {
  readonly width: number;
  readonly height: number;
  readonly frames: RgbFrame[] | FloatFrame[];
}

/**
 * Reads the wanted frames of a source and stops after the last one.
 *
 * @param size to crop and resize to; the source's own unless told
 * @param resize "bilinear" gives floats, as the loaders that resize so do
 * @throws {MediaError} when there are too few frames, or too many to keep, or their sizes differ
 */
export async function collectFrames(
  path: string,
  stream: FrameStream,
  picks: Picks,
  size?: { readonly width: number; readonly height: number },
  resize?: ResizeMethod,
): Promise<CollectedFrames> {
  const isFloat = resize === "bilinear";
  if (stream.announced) checkAnnounced(stream.announced, picks, { ...size, isFloat });
  const frames: (RgbFrame | FloatFrame)[] = [];
  const budget = new Budget();
  let available = 0;
  for await (const { index, pixels } of stream.frames) {
    available = Math.max(0, index + 1);
    if (picks.wants(index)) {
      const frame = await pixels();
      const exact = isFloat && isRgb(frame) ? toFloat(frame) : frame;
      const taken = size ? fitFrame(exact, size.width, size.height, resize) : frame;
      budget.takeFrames(taken.data.byteLength);
      frames.push(taken);
    }
    if (picks.isDone(available)) break;
  }
  picks.require(path, available);
  const { width, height } = frames[0]!;
  if (frames.some((frame) => frame.width !== width || frame.height !== height)) {
    throw new MediaError(`Cannot read "${path}": its frames have different sizes`);
  }
  return { width, height, frames: frames as RgbFrame[] | FloatFrame[] };
}

/** Refuses what would be too much before any of it is read. */
function checkAnnounced(
  announced: Announced,
  picks: Picks,
  made: { readonly width?: number; readonly height?: number; readonly isFloat: boolean },
): void {
  const { width = announced.width, height = announced.height } = made;
  const bytes = announced.isFloat || made.isFloat ? 4 : 1;
  new Budget().takeFrames(3 * width * height * bytes, picks.countIn(announced.count ?? 0));
}
