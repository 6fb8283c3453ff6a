/** Silence that is normal whatever came before it: a long file is being finished, say. */
const SHORTEST_SECONDS = 30;
/** A frame may take longer than those before it, but not so many times. */
const TIMES = 20;

/**
 * Notices when a process at work falls silent. A blocking wait for the GPU silences a healthy process
 * too, for as long as a frame takes; so the first sign of life may take `most` seconds, and later ones
 * a multiple of the longest silence so far.
 */
export class Watchdog {
  readonly #most: number;
  readonly #bark: (seconds: number) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  #longest = 0;
  #seen = false;

  /** @param most seconds; @param bark called once with the seconds of silence */
  constructor(most: number, bark: (seconds: number) => void) {
    this.#most = most;
    this.#bark = bark;
  }

  /** A new piece of work begins: how long it is silent is not known yet. */
  start(): void {
    this.#longest = 0;
    this.#seen = false;
    this.#arm();
  }

  /** A sign of progress. */
  beat(): void {
    if (this.#seen) this.#longest = Math.max(this.#longest, performance.now() - this.#last);
    this.#seen = true;
    this.#arm();
  }

  /** The work is over; silence means nothing. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Seconds of silence that are borne now. */
  get limit(): number {
    if (!this.#seen) return this.#most;
    return Math.min(this.#most, Math.max(SHORTEST_SECONDS, TIMES * this.#longest / 1000));
  }

  #arm(): void {
    this.#last = performance.now();
    clearTimeout(this.#timer);
    const { limit } = this;
    this.#timer = setTimeout(() => this.#bark(limit), limit * 1000);
  }
}
