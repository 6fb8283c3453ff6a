import { MediaError } from "./errors.ts";

/** A source has fewer frames than requested. */
export class TooFewFramesError extends MediaError {
  override name = "TooFewFramesError";
}

/** Which frames of a source to read: `start`, `start + stride`, ..., `count` of them. */
export interface PickOptions {
  /** First frame, counted from 0. */
  readonly start?: number;
  /** Distance between frames (1). */
  readonly stride?: number;
  /** Number of frames (all). */
  readonly count?: number;
  /** Whether fewer are acceptable if there are no more. */
  readonly upTo?: boolean;
}

/** A checked choice of frames. */
export class Picks {
  readonly start: number;
  readonly stride: number;
  readonly count: number;
  readonly upTo: boolean;

  /** @throws {RangeError} when a number is not whole or too small */
  constructor({ start = 0, stride = 1, count = Infinity, upTo = false }: PickOptions = {}) {
    check("first frame", start, 0);
    check("stride", stride, 1);
    if (count !== Infinity) check("number of frames", count, 1);
    this.start = start;
    this.stride = stride;
    this.count = count;
    this.upTo = upTo || count === Infinity;
  }

  /** Whether frame `index` is one of them. */
  wants(index: number): boolean {
    const distance = index - this.start;
    return distance >= 0 && distance % this.stride === 0 && distance / this.stride < this.count;
  }

  /** Whether no frame from `index` on is one of them. */
  isDone(index: number): boolean {
    return index >= this.end;
  }

  /** One more than the last frame wanted; `Infinity` if all are. */
  get end(): number {
    return this.count === Infinity ? Infinity : this.start + (this.count - 1) * this.stride + 1;
  }

  /** Number of wanted frames in a source with `available`. */
  countIn(available: number): number {
    return Math.max(0, Math.ceil((Math.min(available, this.end) - this.start) / this.stride));
  }

  /** The wanted frames in a source with `available`. */
  indices(available: number): number[] {
    const found: number[] = [];
    const end = Math.min(available, this.end);
    for (let index = this.start; index < end; index += this.stride) found.push(index);
    return found;
  }

  /**
   * Checks that a source has enough frames.
   *
   * @param available how many frames it has
   * @throws {TooFewFramesError} if that is too few
   */
  require(path: string, available: number): void {
    const found = this.countIn(available);
    if (found > 0 && (this.upTo || found === this.count)) return;
    const frames = available === 1 ? "1 frame" : `${available} frames`;
    const wanted = this.upTo
      ? `frame ${this.start} is the first one wanted`
      : `${this.count} from frame ${this.start}` +
        (this.stride > 1 ? ` at a stride of ${this.stride}` : "") + ` need ${this.end}`;
    const verb = available === 0 ? "has no frames" : `has ${frames}, but ${wanted}`;
    throw new TooFewFramesError(`Cannot read "${path}": it ${verb}`);
  }
}

function check(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(
      `Cannot pick frames: the ${what} must be ${least} or more, but is ${value}`,
    );
  }
}
