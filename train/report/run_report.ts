import { basename, join } from "node:path";
import { writeWhole } from "../../files/atomic_file.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import type { OpenedData } from "../data/open_data.ts";
import type { LogLine } from "../folder/train_log.ts";
import type { Origin } from "../origin.ts";
import type { TrainOptions } from "../run_options.ts";
import type { TrainerSettings, TrainPlan } from "../trainer.ts";
import { reportPage } from "./report.ts";

/** What a report says of a run. */
export interface ReportFacts {
  readonly options: TrainOptions;
  readonly origin: Origin;
  readonly data: OpenedData;
  readonly settings: TrainerSettings;
  readonly gpu: Pick<Gpu, "adapter">;
  readonly plan: TrainPlan;
}

/** The newest samples are shown, this many. */
const MOST_SAMPLES = 12;

/** report.html of a run, rewritten as it goes. */
export class RunReport {
  readonly #folder: string;
  readonly #facts: ReportFacts;
  #samples: { step: number; png: Uint8Array }[] = [];

  private constructor(folder: string, facts: ReportFacts) {
    this.#folder = folder;
    this.#facts = facts;
  }

  /** Takes over the samples of a run that goes on. */
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
    const { options } = this.#facts;
    const page = reportPage({
      title: `Training of ${basename(options.output)}`,
      step,
      steps: options.steps,
      lines,
      samples: this.#samples.filter((sample) => sample.step <= step),
      tables: tablesOf(this.#facts),
      command: options.command,
    });
    await writeWhole(join(this.#folder, "report.html"), page);
  }
}

function tablesOf(
  { options, origin, data, settings, gpu, plan }: ReportFacts,
): Record<string, Record<string, string>> {
  const { train, heldOut } = data;
  const { channels, height, width } = train.sizes;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const shown = Object.entries(settings).filter(([key, value]) =>
    key !== "config" && value !== undefined
  );
  return {
    Settings: Object.fromEntries(
      shown.map((
        [key, value],
      ) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]),
    ),
    Model: {
      "starts from": options.model ?? "the released initialisation",
      autoencoder: origin.vaeModel,
      layers: String(origin.sizes.layers),
      width: String(origin.sizes.d),
      parameters: plan.parameters.toLocaleString("en"),
      trained: plan.trained.toLocaleString("en"),
    },
    Data: {
      clips: `${train.clips.length}${heldOut ? ` and ${heldOut.clips.length} for validation` : ""}`,
      frames: train.frames.toLocaleString("en"),
      latents: `${channels} x ${height} x ${width}`,
      from: options.clips.join(", "),
    },
    Machine: {
      device: gpu.adapter.name,
      program: `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}`,
      "memory for weights": megabytes(plan.bytes.weights),
      "for gradients and moments": megabytes(plan.bytes.gradients + plan.bytes.moments),
      "for the average": megabytes(plan.bytes.ema),
      "for activations": megabytes(plan.bytes.activations),
      "total memory": megabytes(plan.bytes.total),
      "videos on the device at once": String(plan.microBatch),
      "blocks recomputed": plan.recompute ? "yes" : "no",
    },
  };
}
