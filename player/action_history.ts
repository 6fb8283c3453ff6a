/** Most runs kept; older ones are dropped, so that a long session needs constant memory. */
const MOST_RUNS = 10_000;

/** The actions of a session in the notation of --actions, `forward*8,left*3`, oldest first. */
export class ActionHistory {
  readonly #runs: { readonly action: number; count: number }[] = [];
  #dropped = false;

  /** @param names of the actions, by number */
  constructor(private readonly names: readonly string[]) {}

  push(action: number): void {
    const last = this.#runs.at(-1);
    if (last?.action === action) last.count++;
    else this.#runs.push({ action, count: 1 });
    if (this.#runs.length > MOST_RUNS) {
      this.#runs.shift();
      this.#dropped = true;
    }
  }

  /** Forgets all; what follows is `whole` unless earlier actions are unknown. */
  clear(whole = true): void {
    this.#runs.length = 0;
    this.#dropped = !whole;
  }

  /** True while nothing has been dropped. */
  get complete(): boolean {
    return !this.#dropped;
  }

  /** The newest runs. */
  text(runs = MOST_RUNS): string {
    const name = (action: number) => this.names[action] ?? String(action);
    return this.#runs.slice(-runs)
      .map(({ action, count }) => count > 1 ? `${name(action)}*${count}` : name(action))
      .join(",");
  }
}
