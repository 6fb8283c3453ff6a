/**
 * The pressed keys, sampled once per frame. A key pressed and released between two frames still
 * counts for one.
 */
export class ActionInput {
  /** Actions held, the newest last. */
  readonly #held: number[] = [];
  #tapped: number | undefined;
  #lastTap: number | undefined;

  /** A key was pressed; repeats of a held key change nothing. */
  press(action: number): void {
    if (this.#held.includes(action)) return;
    this.#held.push(action);
    this.#tapped = action;
  }

  /** A key was released. */
  release(action: number): void {
    const at = this.#held.indexOf(action);
    if (at >= 0) this.#held.splice(at, 1);
  }

  /** A key of a terminal that does not report releases. */
  tap(action: number): void {
    this.#tapped = action;
    this.#lastTap = action;
  }

  /** The newest key of a terminal, with which a running world continues. */
  get lastTap(): number | undefined {
    return this.#lastTap;
  }

  /** Releases all keys: the window lost the focus, or a new world began. */
  clear(): void {
    this.#held.length = 0;
    this.#tapped = undefined;
    this.#lastTap = undefined;
  }

  /** Whether the next sample is an action. */
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
