import { type Progress, type ProgressOptions, startProgress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Progress of work that is counted in bytes and says how many there are when it begins. */
export class ByteProgress {
  readonly #options: ProgressOptions & { readonly json?: boolean };
  readonly #terminal: Terminal;
  #bar: Promise<Progress> | undefined;
  #stopped = false;
  #told = -1;

  constructor(options: ProgressOptions & { readonly json?: boolean }, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
  }

  /** To be called with the bytes that are done, of all. */
  readonly update = (done: number, total: number): void => {
    if (this.#stopped) return;
    const [now, all] = [megabytes(done), megabytes(total)];
    if (now === this.#told) return;
    this.#told = now;
    this.#bar ??= startProgress({ unit: "MB", total: all }, this.#options, this.#terminal);
    this.#bar.then((bar) => this.#stopped || bar.update(now));
  };

  /** Says that the work ended; what is printed after it comes below the bar. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    (await this.#bar)?.stop();
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
