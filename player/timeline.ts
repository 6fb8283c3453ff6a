import type { RgbFrame } from "../media/frames.ts";
import type { LiveSettings, Moment } from "../run/live.ts";

/** One frame as it is shown. */
export interface Shown {
  /** Its number among all frames of the session. */
  readonly id: number;
  /** Number of the frame before it; absent at a beginning. */
  readonly parent: number | undefined;
  readonly picture: RgbFrame;
  /** Since the last restart, context included. */
  readonly index: number;
  /** Absent in an opening picture, and in models that take no actions. */
  readonly action: number | undefined;
  /** Frames a second of late. */
  readonly rate: number;
}

/** A frame that was shown, with what a world needs to go on from it. */
export interface KeptFrame {
  readonly shown: Shown;
  /** What the world remembered then. */
  readonly moment: Moment;
  /** Name of the beginning, and its frames. */
  readonly clip: string;
  readonly label: number | undefined;
  readonly contextFrames: number;
  /** Frames made since the beginning. */
  readonly generated: number;
  readonly settings: LiveSettings;
  /** Whether one choice of settings made all frames since the beginning. */
  readonly plain: boolean;
}

/** Bytes of pictures and latents that are kept. */
const MOST_BYTES = 256e6;
/** Of a random state and the list of what is remembered. */
const MOMENT_BYTES = 4000;

/**
 * All frames that were shown, as a tree: going back and on from there makes a branch. The oldest are
 * dropped, so that a long session does not grow.
 */
export class Timeline {
  readonly #frames = new Map<number, KeptFrame>();
  #bytes = 0;
  #next = 0;

  /** @param mostBytes kept; less than that is dropped for tests */
  constructor(private readonly mostBytes = MOST_BYTES) {}

  /** The number that the next frame gets. */
  get next(): number {
    return this.#next;
  }

  /** Keeps a frame under the number that it was shown with. */
  add(frame: KeptFrame): void {
    this.#frames.set(frame.shown.id, frame);
    this.#next = frame.shown.id + 1;
    this.#bytes += size(frame);
    for (const [id, oldest] of this.#frames) {
      if (this.#bytes <= this.mostBytes || id === frame.shown.id) break;
      this.#frames.delete(id);
      this.#bytes -= size(oldest);
    }
  }

  /** A frame by its number; undefined where it is kept no more. */
  get(id: number | undefined): KeptFrame | undefined {
    return id === undefined ? undefined : this.#frames.get(id);
  }

  /** The frames that lead to one, oldest first, as far back as they are kept. */
  path(id: number): KeptFrame[] {
    const frames: KeptFrame[] = [];
    for (let at = this.get(id); at; at = this.get(at.shown.parent)) frames.push(at);
    return frames.reverse();
  }

  /**
   * The newest frames of all branches, oldest first; those that lead to one before all others.
   * @param mostBytes of their pictures
   */
  newest(id: number, mostBytes: number): KeptFrame[] {
    const chosen = new Set<KeptFrame>();
    let bytes = 0;
    for (const frame of [...this.path(id).reverse(), ...[...this.#frames.values()].reverse()]) {
      if (chosen.has(frame)) continue;
      bytes += frame.shown.picture.data.length;
      if (bytes > mostBytes && chosen.size > 0) break;
      chosen.add(frame);
    }
    return [...chosen].sort((a, b) => a.shown.id - b.shown.id);
  }

  /** Whether all frames since the beginning are kept. */
  isWhole(path: readonly KeptFrame[]): boolean {
    return path.length > 0 && path[0]!.shown.parent === undefined;
  }
}

function size({ shown, moment }: KeptFrame): number {
  const latents = moment.remembered.at(-1)?.latents.byteLength ?? 0; // older ones are shared
  return shown.picture.data.length + latents + MOMENT_BYTES;
}
