import type { RunWarning } from "../request/model_warnings.ts";

/** Warnings about jobs: each kind is shown once, however many jobs it concerns. */
export class Warnings {
  readonly #kinds = new Map<string, { where: string; text: string; jobs: number }>();

  /**
   * Counts a warning.
   * @param where the job: `jobs.jsonl:3`
   * @returns the line to show, if it is the first of its kind
   */
  add(where: string, { kind, text }: RunWarning): string | undefined {
    const known = this.#kinds.get(kind);
    if (known) known.jobs++;
    else this.#kinds.set(kind, { where, text, jobs: 1 });
    return known ? undefined : `warning: ${where}: ${text}`;
  }

  /** A line for each kind, with the number of its jobs. */
  lines(): string[] {
    return [...this.#kinds.values()].map(({ where, text, jobs }) => {
      const more = jobs > 1 ? ` and ${jobs - 1} more ${jobs === 2 ? "job" : "jobs"}` : "";
      return `warning: ${where}${more}: ${text}`;
    });
  }
}
