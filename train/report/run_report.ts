import { join } from "node:path";
import { writeWhole } from "../../files/atomic_file.ts";
import type { LogLine } from "../folder/train_log.ts";
import { type ReportFacts, reportPage, type ReportSample } from "./report.ts";

/** Number of newest samples to show. */
const MOST_SAMPLES = 12;

/** report.html and the model card of a run, rewritten during the run. */
export class RunReport {
  readonly #folder: string;
  readonly #facts: ReportFacts;
  #samples: ReportSample[] = [];

  private constructor(folder: string, facts: ReportFacts) {
    this.#folder = folder;
    this.#facts = facts;
  }

  /** Opens the report, with the samples of a continued run. */
  static async open(folder: string, facts: ReportFacts): Promise<RunReport> {
    const report = new RunReport(folder, facts);
    const entries = await Array.fromAsync(Deno.readDir(join(folder, "samples"))).catch(() => []);
    const steps = entries.flatMap(({ name }) => /^step-(\d+)\.png$/.exec(name)?.[1] ?? []);
    for (const step of steps.map(Number).sort((a, b) => a - b)) {
      await report.addSample(step, join(folder, "samples", `step-${step}.png`));
    }
    return report;
  }

  async addSample(step: number, path: string): Promise<void> {
    this.#samples.push({ step, png: await Deno.readFile(path) });
    this.#samples = this.#samples.slice(-MOST_SAMPLES);
  }

  async write(step: number, lines: readonly LogLine[]): Promise<void> {
    const samples = this.#samples.filter((sample) => sample.step <= step);
    const page = reportPage(this.#facts, step, lines, samples);
    await writeWhole(join(this.#folder, "report.html"), page);
    const card = this.#facts.card?.(step, lines);
    if (card !== undefined) await writeWhole(join(this.#folder, "README.md"), card);
  }
}
