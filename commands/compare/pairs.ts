import type { Similarity } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import { isFolder } from "../../cli/folder.ts";
import { settingsOf } from "../../cli/settings.ts";
import { fileMetadata } from "../../request/file_metadata.ts";
import type { Source } from "../../request/sources.ts";

/** A pair of frames by their numbers in A and in B, and their similarity. */
export interface ComparedFrame extends Similarity {
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

/** A source without its first frames. @throws {UsageError} none are left */
export function withoutFirst(source: Source, first: number, path: string): Source {
  if (first === 0) return source;
  const { videos, frames, width, height, data } = source;
  const left = frames - first;
  if (left <= 0) {
    throw new UsageError(
      `Cannot compare "${path}": all of its ${frames} frames were given to the model; ` +
        "use --given to compare them",
    );
  }
  const size = 3 * width * height;
  const kept = new Float32Array(videos * left * size);
  for (let video = 0; video < videos; video++) {
    const from = (video * frames + first) * size;
    kept.set(data.subarray(from, from + left * size), video * left * size);
  }
  return { ...source, frames: left, data: kept };
}

/** A frame of a source, counted over all videos; a single video is repeated as needed. */
export function picture(source: Source, index: number): Float32Array {
  const { videos, frames, width, height, data } = source;
  const size = 3 * width * height;
  const at = index % (videos * frames) * size;
  return data.subarray(at, at + size);
}
