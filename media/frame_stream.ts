import { Budget } from "./budget.ts";
import { MediaError } from "./errors.ts";
import { type FloatFrame, type RgbFrame, toFloat } from "./frames.ts";
import type { Picks } from "./picks.ts";
import { fitFrame, type ResizeMethod } from "./resize.ts";

/** A frame that has been reached, but may not need to be converted. */
export interface LazyFrame<F extends RgbFrame | FloatFrame = RgbFrame | FloatFrame> {
  /** Place in the source, from 0. */
  readonly index: number;
  /** Its pixels; valid until the next frame is requested. */
  pixels(): F | Promise<F>;
}

/** Facts about a video file. */
export interface VideoFacts {
  /** WebCodecs' name, such as `avc1.64000b`, or FFmpeg's name if FFmpeg reads it. */
  readonly codec: string;
  /** Frames shown. */
  readonly frames?: number;
  /** Seconds from the first frame to the end of the last. */
  readonly duration?: number;
}

/** What the header of a source announces. */
export interface Announced {
  readonly width: number;
  readonly height: number;
  /** Frames, if announced. */
  readonly count?: number;
  /** Whether frames are floats. */
  readonly isFloat: boolean;
}

/** An open source: frames in display order, and facts about them. */
export interface FrameStream {
  readonly frames: AsyncIterable<LazyFrame> | Iterable<LazyFrame>;
  /** Frames per second, if known. */
  readonly fps?: number;
  /** Whether compression has changed the pixels. */
  readonly lossy: boolean;
  /** The action that led to each frame, if the source has them. */
  readonly actions?: readonly number[];
  /** Why actions cannot be used, if there are any. */
  readonly unusableActions?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** If known before any frame is read. */
  readonly announced?: Announced;
  /** Facts of a video file, if its index has them. */
  readonly video?: VideoFacts;
  /** Warnings for the user. More may be added while frames are read. */
  readonly warnings: string[];
}

/** Takes a frame, by its place among those picked; if reading begins anew, some come again. */
export type EachFrame = (frame: RgbFrame | FloatFrame, index: number) => Promise<void>;

/** How the frames of a stream are collected. */
export interface CollectOptions {
  /** Centre-crop and resize to this size (the source's own). */
  readonly size?: { readonly width: number; readonly height: number };
  /** Method of resizing (by area); `bilinear` gives floats, like loaders that resize this way. */
  readonly resize?: ResizeMethod;
  /** Takes each frame as it is read, by its place among those picked; none is kept then. */
  readonly each?: EachFrame;
}

/** Frames of one source, ready to use. */
export interface CollectedFrames {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Bytes, or floats if the source has floats. */
  readonly frames: RgbFrame[] | FloatFrame[];
}

/**
 * Reads the wanted frames of a source and stops after the last one.
 *
 * @throws {MediaError} when there are too few frames, or too many to keep, or their sizes differ
 */
export async function collectFrames(
  path: string,
  stream: FrameStream,
  picks: Picks,
  { size, resize, each }: CollectOptions = {},
): Promise<CollectedFrames> {
  const isFloat = resize === "bilinear";
  if (stream.announced && !each) checkAnnounced(stream.announced, picks, { ...size, isFloat });
  const frames: (RgbFrame | FloatFrame)[] = [];
  let first: RgbFrame | FloatFrame | undefined;
  let count = 0;
  const budget = new Budget();
  let available = 0;
  for await (const { index, pixels } of stream.frames) {
    available = Math.max(0, index + 1);
    if (picks.wants(index)) {
      const frame = await pixels();
      const exact = isFloat ? toFloat(frame) : frame;
      const taken = size ? fitFrame(exact, size.width, size.height, resize) : frame;
      first ??= taken;
      if (taken.width !== first.width || taken.height !== first.height) {
        throw new MediaError(`Cannot read "${path}": its frames have different sizes`);
      }
      if (each) await each(taken, count++);
      else {
        budget.takeFrames(taken.data.byteLength);
        frames.push(taken);
      }
    }
    if (picks.isDone(available)) break;
  }
  picks.require(path, available);
  const { width, height } = first!;
  return { width, height, frames: frames as RgbFrame[] | FloatFrame[] };
}

/** Refuses a source that would be too large before reading it. */
function checkAnnounced(
  announced: Announced,
  picks: Picks,
  made: { readonly width?: number; readonly height?: number; readonly isFloat: boolean },
): void {
  const { width = announced.width, height = announced.height } = made;
  const bytes = announced.isFloat || made.isFloat ? 4 : 1;
  new Budget().takeFrames(3 * width * height * bytes, picks.countIn(announced.count ?? 0));
}
