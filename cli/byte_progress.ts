import { type Progress, type ProgressOptions, startProgress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Settings of byte progress. */
export interface ByteProgressOptions extends ProgressOptions {
  /** Seconds before anything is shown, for work that is usually quick (0). */
  readonly patience?: number;
}

/** Progress of work that is counted in bytes, whose total is known when it begins. */
export class ByteProgress {
  readonly #start: number;
  #bar: Promise<Progress> | undefined;
  #stopped = false;
  #told = -1;

  constructor(
    private readonly options: ByteProgressOptions,
    private readonly terminal: Terminal,
    private readonly now: () => number = performance.now.bind(performance),
  ) {
    this.#start = now();
  }

  /** Call it with bytes done and in total. */
  readonly update = (done: number, total: number): void => {
    if (this.#stopped || this.now() - this.#start < 1000 * (this.options.patience ?? 0)) return;
    const [now, all] = [megabytes(done), megabytes(total)];
    if (now === this.#told) return;
    this.#told = now;
    const work = { unit: "MB", total: all, from: this.options.patience ? now : 0 };
    this.#bar ??= startProgress(work, this.options, this.terminal, this.now);
    this.#bar.then((bar) => this.#stopped || bar.update(now));
  };

  /** Call it when the work ends; further output comes below the bar. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    (await this.#bar)?.stop();
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
