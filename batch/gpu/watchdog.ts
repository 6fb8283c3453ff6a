/** Silence that is normal whatever came before it: a long file is being finished, say. */
const SHORTEST_SECONDS = 30;
/** A frame may take longer than those before it, but not so many times. */
const TIMES = 20;

/**
 * Notices when a process at work falls silent. A blocking wait for the GPU silences a healthy process
 * too, for as long as a frame takes. So until the first frame is generated silence may last `most`
 * seconds, and after that a multiple of the longest one that a frame took.
 */
export class Watchdog {
  readonly #most: number;
  readonly #bark: (seconds: number) => void;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  /** Milliseconds; undefined while no frame was generated. */
  #longest: number | undefined;

  /** @param most seconds; @param bark called once with the seconds of silence */
  constructor(
    most: number,
    bark: (seconds: number) => void,
    now: () => number = performance.now.bind(performance),
  ) {
    this.#most = most;
    this.#bark = bark;
    this.#now = now;
  }

  /** A new piece of work begins: how long its frames take is not known yet. */
  start(): void {
    this.#longest = undefined;
    this.#arm();
  }

  /** A sign of life. @param generated it is a new frame, and tells what the next ones may take */
  beat(generated = false): void {
    if (generated) this.#longest = Math.max(this.#longest ?? 0, this.#now() - this.#last);
    this.#arm();
  }

  /** The work is over; silence means nothing. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Seconds of silence that are borne now. */
  get limit(): number {
    if (this.#longest === undefined) return this.#most;
    return Math.min(this.#most, Math.max(SHORTEST_SECONDS, TIMES * this.#longest / 1000));
  }

  #arm(): void {
    this.#last = this.#now();
    clearTimeout(this.#timer);
    const { limit } = this;
    this.#timer = setTimeout(() => this.#bark(limit), limit * 1000);
  }
}
