import type { Similarity } from "../../app.ts";
import { fitFrame } from "../../mod.ts";
import { UsageError } from "../../cli/errors.ts";
import { isFolder } from "../../cli/folder.ts";
import { settingsOf } from "../../cli/settings.ts";
import { fileMetadata } from "../../request/file_metadata.ts";
import type { Size } from "../../cli/option.ts";
import { count } from "../../request/report.ts";
import type { Source, StreamedSource } from "../../request/sources.ts";

/** Similarity of two pictures, and LPIPS if its network is given. */
export type Compared = Similarity & { readonly lpips?: number };

/** A pair of frames by their numbers in A and in B, and their similarity. */
export interface ComparedFrame extends Compared {
  /** Number of the video, if there are several. */
  readonly video: number;
  readonly a: number;
  readonly b: number;
}

/** `12,0`: the first frames of A and B to compare. @throws {UsageError} */
export function parseOffset(text: string): readonly [number, number] {
  const [, a, b] = text.match(/^(\d{1,9}),(\d{1,9})$/)?.map(Number) ?? [];
  if (a !== undefined && b !== undefined) return [a, b];
  throw new UsageError(
    `Cannot use --offset ${text}: give the first frame of A and of B, as in 0,4`,
  );
}

/**
 * Frames at the beginning of a file made by far that were given to the model, not generated: all
 * except the number of generated frames in its settings. 0 for any other file.
 * @param frames of the whole file
 */
export async function givenFrames(path: string, frames: number): Promise<number> {
  if (path === "-" || await isFolder(path)) return 0;
  const settings = settingsOf(await fileMetadata(path));
  if (settings?.command !== "generate" || settings.options["only-generated"] === true) return 0;
  const made = Number(settings.options.frames);
  return Number.isInteger(made) ? Math.max(0, frames - made) : 0;
}

/** Two pictures of one size that are compared, planar in [0, 1]. */
export interface PicturePair {
  /** Number of the video, and of the frame among those read of it. */
  readonly video: number;
  readonly index: number;
  readonly width: number;
  readonly height: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** What is known of two sources when all their frames were read. */
export interface PairFacts {
  readonly videos: number;
  /** Of each video. */
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly fps: number | undefined;
  readonly warnings: readonly string[];
  readonly lossy: readonly [boolean, boolean];
}

/** Two sources, read from the beginning each time. */
export interface Sides {
  pairs(): AsyncGenerator<PicturePair, PairFacts, void>;
}

/** @throws {UsageError} pictures of other sizes */
function checkSizes(a: Size, b: Size): void {
  if (a.width === b.width && a.height === b.height) return;
  throw new UsageError(
    `Cannot compare ${a.width}x${a.height} with ${b.width}x${b.height}: sizes must be equal; ` +
      "give a common --size",
  );
}

/** The size of both pictures when one that was enlarged, as far's small videos are, is reduced. */
function commonSize(a: Size, b: Size): Size {
  const [small, large] = a.width <= b.width ? [a, b] : [b, a];
  const factor = large.width / small.width;
  if (!Number.isInteger(factor) || large.height !== factor * small.height) checkSizes(a, b);
  return small;
}

/** What the user should know of pictures that were reduced. */
function sizeWarnings(a: Size, b: Size): string[] {
  const large = a.width > b.width ? a : b;
  const small = commonSize(a, b);
  if (large.width === small.width) return [];
  return [
    `pictures of ${large.width}x${large.height} were reduced to ${small.width}x${small.height}, ` +
    "the size of the others",
  ];
}

/** @throws {UsageError} numbers of frames or videos that differ */
function checkLengths(a: Length, b: Length): void {
  const paired = a.videos === b.videos || a.videos === 1 || b.videos === 1;
  if (paired && a.frames === b.frames) return;
  throw new UsageError(
    `Cannot compare ${lengthText(a)} with ${
      lengthText(b)
    }: use --frames to compare as many of each`,
  );
}

type Length = Pick<Source, "videos" | "frames">;

function lengthText({ videos, frames }: Length): string {
  return (videos > 1 ? `${videos} videos of ` : "") + count(frames, "frame");
}

/**
 * Two sources that are held whole, as files of several videos are: one video may stand against
 * several, as a clip does against all that was made of its beginning.
 * @throws {UsageError} other sizes or lengths
 */
export function heldSides(a: Source, b: Source): Sides {
  const size = commonSize(a, b);
  const { width, height } = size;
  checkLengths(a, b);
  const { frames } = a;
  const videos = Math.max(a.videos, b.videos);
  return {
    async *pairs() {
      for (let i = 0; i < videos * frames; i++) {
        const place = { video: Math.floor(i / frames), index: i % frames, width, height };
        yield await Promise.resolve({ ...place, a: picture(a, i, size), b: picture(b, i, size) });
      }
      return {
        ...{ videos, frames, width, height, fps: a.fps ?? b.fps },
        warnings: [...sizeWarnings(a, b), ...a.warnings, ...b.warnings],
        lossy: [a.lossy, b.lossy],
      };
    },
  };
}

/**
 * A frame of a source, counted over all videos; a single video is repeated as needed.
 * @param to the size it is to have, where that is another
 */
export function picture(source: Source, index: number, to: Size = source): Float32Array {
  const { videos, frames, width, height, data } = source;
  const size = 3 * width * height;
  const at = index % (videos * frames) * size;
  const frame = { width, height, data: data.subarray(at, at + size) };
  return fitFrame(frame, to.width, to.height).data;
}

/**
 * Two videos that are read in step, a frame of each at a time.
 * @param open begins to read a side anew
 * @throws {UsageError | MediaError} while pairs are taken: other sizes or lengths, or a bad file
 */
export function streamedSides(open: (side: "a" | "b") => StreamedSource): Sides {
  return {
    async *pairs() {
      const [a, b] = [open("a"), open("b")];
      const counts = { a: 0, b: 0 };
      let size: Size | undefined;
      let reduced: string[] = [];
      try {
        while (true) {
          const [left, right] = [await a.frames.next(), await b.frames.next()];
          if (!left.done) counts.a++;
          if (!right.done) counts.b++;
          if (left.done || right.done) break;
          const { width, height } = commonSize(left.value, right.value);
          checkSizes(size ??= { width, height }, { width, height });
          reduced = sizeWarnings(left.value, right.value);
          const place = { video: 0, index: counts.a - 1, width, height };
          yield {
            ...place,
            a: fitFrame(left.value, width, height).data,
            b: fitFrame(right.value, width, height).data,
          };
        }
        // the longer one is read to its end, to tell how long it is
        for await (const _ of a.frames) counts.a++;
        for await (const _ of b.frames) counts.b++;
      } finally {
        await a.frames.return();
        await b.frames.return();
      }
      checkLengths({ videos: 1, frames: counts.a }, { videos: 1, frames: counts.b });
      const [left, right] = [a.facts()!, b.facts()!];
      return {
        ...{ videos: 1, frames: counts.a, width: size!.width, height: size!.height },
        fps: left.fps ?? right.fps,
        warnings: [...reduced, ...left.warnings, ...right.warnings],
        lossy: [left.lossy, right.lossy],
      };
    },
  };
}
