/** Silence that is always normal, such as while a long file is being finished. */
const SHORTEST_SECONDS = 30;
/** A frame may take longer than those before it, but not this many times. */
const TIMES = 20;

/**
 * Notices when a working process falls silent. A blocking wait for the GPU silences a healthy
 * process too, as long as a frame takes. So before the first generated frame silence may last
 * `most` seconds, and afterwards a multiple of the longest frame.
 */
export class Watchdog {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  /** Milliseconds; undefined until a frame was generated. */
  #longest: number | undefined;

  /** @param most seconds; @param bark called once with the seconds of silence */
  constructor(
    private readonly most: number,
    private readonly bark: (seconds: number) => void,
    private readonly now: () => number = performance.now.bind(performance),
  ) {}

  /** New work begins, with unknown time per frame. */
  start(): void {
    this.#longest = undefined;
    this.#arm();
  }

  /**
   * A sign of life. @param generated whether it is a new frame, which shows how long frames take
   */
  beat(generated = false): void {
    if (generated) this.#longest = Math.max(this.#longest ?? 0, this.now() - this.#last);
    this.#arm();
  }

  /** The work is over, so silence is normal. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Seconds of silence allowed now. */
  get limit(): number {
    if (this.#longest === undefined) return this.most;
    return Math.min(this.most, Math.max(SHORTEST_SECONDS, TIMES * this.#longest / 1000));
  }

  #arm(): void {
    this.#last = this.now();
    clearTimeout(this.#timer);
    const { limit } = this;
    this.#timer = setTimeout(() => this.bark(limit), limit * 1000);
  }
}
