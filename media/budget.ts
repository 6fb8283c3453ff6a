import { MediaError } from "./errors.ts";

/** Pictures with more pixels count as an attack. */
export const MOST_PIXELS = 2 ** 26;
/** Most bytes per frame: a few kilobytes can announce a frame of any size. */
const MOST_FRAME_BYTES = 2 ** 28;
/** Sources with more frames count as an attack: counting them takes a second. */
export const MOST_FRAMES = 1_000_000;
/** Most bytes for the frames of one source, or for one array. */
export const MOST_ARRAY_BYTES = 2 ** 31;
/** Most bytes for the same frames as floats for a model. */
const MOST_FLOAT_BYTES = 2 ** 32;
/** Most bytes for lists of actions and text besides the frames. */
export const MOST_LIST_BYTES = 2 ** 24;
/** Approximate bytes of a frame besides its pixels. */
const FRAME_OVERHEAD = 256;

/** A source that would take more memory than any legitimate one. */
export class TooMuchError extends MediaError {
  override name = "TooMuchError";
}

/**
 * Refuses a picture of unreasonable size.
 *
 * @param bytes it takes in memory, if it is more than the usual three bytes per pixel
 * @throws {TooMuchError} without the file's name
 */
export function checkSize(width = 0, height = 0, bytes = 0): void {
  if (width * height <= MOST_PIXELS && bytes <= MOST_FRAME_BYTES) return;
  throw new TooMuchError(`its size ${width}x${height} is too large`);
}

/** Memory that one source may still take. */
export class Budget {
  #left: number;

  constructor(readonly most = MOST_ARRAY_BYTES) {
    this.#left = most;
  }

  /**
   * Takes memory for frames.
   *
   * @param bytes of each
   * @throws {TooMuchError} without the file's name, when the source has exceeded its budget
   */
  takeFrames(bytes: number, count = 1): void {
    this.#left -= count * (bytes + FRAME_OVERHEAD);
    if (this.#left >= 0) return;
    throw new TooMuchError(
      `the frames asked for take more than ${
        this.most / 2 ** 30
      } GiB of memory: take fewer of them`,
    );
  }
}

/** @throws {TooMuchError} if `count` pictures as floats would take too much memory */
export function checkFloatFrames(
  path: string,
  { width, height }: { readonly width: number; readonly height: number },
  count: number,
): void {
  try {
    new Budget(MOST_FLOAT_BYTES).takeFrames(12 * width * height, count);
  } catch (error) {
    throw new TooMuchError(`Cannot read "${path}": ${(error as Error).message}`);
  }
}
