/**
 * The keys that are down, sampled once a frame. A key that went down and up again between two
 * frames still counts for one.
 */
export class ActionInput {
  /** Actions held, the newest last. */
  readonly #held: number[] = [];
  #tapped: number | undefined;
  #lastTap: number | undefined;

  /** A key went down; a repeat of a key that is down changes nothing. */
  press(action: number): void {
    if (this.#held.includes(action)) return;
    this.#held.push(action);
    this.#tapped = action;
  }

  /** A key went up. */
  release(action: number): void {
    const at = this.#held.indexOf(action);
    if (at >= 0) this.#held.splice(at, 1);
  }

  /** A key of a terminal, which never says when it goes up. */
  tap(action: number): void {
    this.#tapped = action;
    this.#lastTap = action;
  }

  /** What a running world goes on with: the newest key of a terminal. */
  get lastTap(): number | undefined {
    return this.#lastTap;
  }

  /** All keys went up: the window lost the keyboard, or a new world began. */
  clear(): void {
    this.#held.length = 0;
    this.#tapped = undefined;
    this.#lastTap = undefined;
  }

  /** True where the next sample is an action. */
  get waiting(): boolean {
    return this.#tapped !== undefined || this.#held.length > 0;
  }

  /** The action of the next frame, if any. */
  sample(): number | undefined {
    const action = this.#held.at(-1) ?? this.#tapped;
    this.#tapped = undefined;
    return action;
  }
}
