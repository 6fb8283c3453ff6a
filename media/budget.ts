import { MediaError } from "./errors.ts";

/** A picture of more pixels is taken for an attack. */
export const MOST_PIXELS = 2 ** 26;
/** What one frame may take, in bytes: a few kilobytes can announce a frame of any size. */
const MOST_FRAME_BYTES = 2 ** 28;
/** A source of more frames is taken for an attack: to count them takes a second. */
export const MOST_FRAMES = 1_000_000;
/** What the frames taken from one source may take, or one array, in bytes. */
export const MOST_ARRAY_BYTES = 2 ** 31;
/** What the same frames may take as floats that a model works on, in bytes. */
const MOST_FLOAT_BYTES = 2 ** 32;
/** What lists of actions and text beside the frames may take, in bytes. */
export const MOST_LIST_BYTES = 2 ** 24;
/** A frame takes about as much besides its pixels. */
const FRAME_OVERHEAD = 256;

/** A source that would take more memory than any sound one. */
export class TooMuchError extends MediaError {
  override name = "TooMuchError";
}

/**
 * Holds a picture to what is sound.
 *
 * @param bytes it takes in memory, where it is more than the usual three bytes a pixel
 * @throws {TooMuchError} without the file's name
 */
export function checkSize(width = 0, height = 0, bytes = 0): void {
  if (width * height <= MOST_PIXELS && bytes <= MOST_FRAME_BYTES) return;
  throw new TooMuchError(`its size ${width}x${height} is too large`);
}

/** What may still be taken from one source. */
export class Budget {
  #left: number;

  constructor(readonly most = MOST_ARRAY_BYTES) {
    this.#left = most;
  }

  /**
   * Takes memory for frames.
   *
   * @param bytes of each
   * @throws {TooMuchError} without the file's name, when the source has given too much
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

/** @throws {TooMuchError} where `count` pictures as floats would take too much */
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
