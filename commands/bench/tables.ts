import type { LabelTiming, Spread } from "../../app.ts";
import {
  type Clock,
  type CodecResult,
  type GenerationResult,
  type KernelResult,
  type Peaks,
  secondsBy,
  type StepResult,
  type TrainStepResult,
  type Tuned,
} from "../../app_large.ts";
import { megabytes } from "../../cli/amounts.ts";

/** All measurements; skipped ones are absent. */
export interface BenchResult {
  readonly adapter: string;
  readonly deno: string;
  readonly model: string;
  readonly dtype: "f32" | "f16";
  readonly runs: number;
  /** Clock for the shares of the peaks. */
  readonly clock: Clock;
  readonly load: { readonly open: number; readonly weights: number };
  readonly peaks: Peaks;
  readonly kernels?: readonly KernelResult[];
  readonly codec?: readonly CodecResult[];
  readonly steps?: readonly StepResult[];
  readonly generation?: GenerationResult;
  readonly train?: TrainStepResult;
}

/** Reference of the figures. */
export type Basis = Pick<BenchResult, "peaks" | "clock">;

/** A line about the adapter and its peaks. */
export function peaksText({ peaks, clock }: Basis): string {
  const second = clock === "cpu" ? "CPU second" : "s";
  return `peaks: ${giga(peaks.flops)} GFLOP/${second} in a plain multiply-add loop, ` +
    `${giga(peaks.bytes)} GB/${second} in a plain copy`;
}

const KERNEL_HEAD = [
  "model",
  "kernel",
  "shape",
  "ms",
  "least .. most",
  "GFLOP/s",
  "of peak",
  "GB/s",
  "of copy",
];

/** Kernels, with their shares of the peaks. */
export function kernelTable(kernels: readonly KernelResult[], { peaks, clock }: Basis): string {
  const rows = kernels.map(({ model, label, shape, seconds, work }) => {
    const took = secondsBy(seconds, clock);
    const flops = work.flops / took.median;
    const bytes = (work.read + work.written) / took.median;
    return [
      model,
      label,
      shape,
      ...milliseconds(took),
      flops ? giga(flops) : "",
      flops ? percent(flops / peaks.flops) : "",
      giga(bytes),
      percent(bytes / peaks.bytes),
    ];
  });
  return table(KERNEL_HEAD, rows, 3);
}

const TRAIN_HEAD = [
  "training step",
  "ms",
  "least .. most",
  "wall ms",
  "CPU ms",
  "dispatches",
  "GFLOP",
  "GFLOP/s",
  "of peak",
  "memory planned",
  "allocated",
];

const STEP_HEAD = [
  "frames before",
  "call",
  "ms",
  "least .. most",
  "wall ms",
  "CPU ms",
  "passes",
  "dispatches",
  "GFLOP",
  "MB",
  "GFLOP/s",
  "of peak",
];

/** Model calls by the number of frames before. */
export function stepTable(steps: readonly StepResult[], { peaks, clock }: Basis): string {
  const rows = steps.map(({ frame, kind, seconds, work }) => {
    const took = secondsBy(seconds, clock);
    const flops = work.flops / took.median;
    return [
      String(frame),
      kind === "first" ? "first of a frame" : "step",
      ...milliseconds(took),
      (seconds.wall.median * 1000).toFixed(1),
      (seconds.cpu.median * 1000).toFixed(1),
      String(work.passes),
      String(work.dispatches),
      (work.flops / 1e9).toFixed(2),
      ((work.read + work.written) / 1e6).toFixed(1),
      giga(flops),
      percent(flops / peaks.flops),
    ];
  });
  return table(STEP_HEAD, rows, 2);
}

/** A training step: what it takes, planned and measured. */
export function trainTable(result: TrainStepResult, { peaks, clock }: Basis): string {
  const { videos, frames, height, width, seconds, plan, allocated } = result;
  const took = secondsBy(seconds, clock);
  const flops = plan.flops / took.median;
  const row = [
    `${videos} x ${frames} of ${width}x${height}`,
    ...milliseconds(took),
    (seconds.wall.median * 1000).toFixed(1),
    (seconds.cpu.median * 1000).toFixed(1),
    String(plan.dispatches),
    (plan.flops / 1e9).toFixed(2),
    giga(flops),
    percent(flops / peaks.flops),
    megabytes(plan.bytes.total),
    megabytes(allocated),
  ];
  return table(TRAIN_HEAD, [row], 1);
}

/** Encoding and decoding of a frame. */
export function codecTable(codec: readonly CodecResult[], { peaks, clock }: Basis): string {
  const head = ["one frame", "ms", "least .. most", "dispatches", "GFLOP", "GFLOP/s", "of peak"];
  const rows = codec.map(({ half, seconds, work }) => {
    const took = secondsBy(seconds, clock);
    const flops = work.flops / took.median;
    return [
      half,
      ...milliseconds(took),
      String(work.dispatches),
      (work.flops / 1e9).toFixed(2),
      giga(flops),
      percent(flops / peaks.flops),
    ];
  });
  return table(head, rows, 1);
}

/** Time by label, longest first. */
export function profileTable(what: string, profile: readonly LabelTiming[]): string {
  const total = profile.reduce((sum, { seconds }) => sum + seconds, 0);
  const rows = profile.toSorted((a, b) => b.seconds - a.seconds).map(({ label, ...sum }) => [
    label,
    String(sum.count),
    (sum.seconds * 1000).toFixed(2),
    percent(sum.seconds / total),
  ]);
  return table([what, "calls", "ms", "share"], rows, 1);
}

/** Measured choices, and the best ones. */
export function tuningTable(results: readonly Tuned[]): string {
  const numbers = (tuning: Readonly<Record<string, number>>) =>
    Object.entries(tuning).map(([name, value]) => `${name} ${value}`).join(", ");
  const rows = results.map(({ key, builtIn, builtInSeconds, best, bestSeconds }) => [
    key,
    numbers(builtIn),
    numbers(best),
    (builtInSeconds * 1000).toFixed(3),
    (bestSeconds * 1000).toFixed(3),
  ]);
  return table(["kernel and shape", "built in", "best", "ms", "best ms"], rows, 3);
}

/** A short run: speed and memory. */
export function generationText({ memory, ...run }: GenerationResult): string {
  const apart = Math.abs(memory.peak / memory.predicted - 1);
  const later = run.laterFrames === undefined
    ? ""
    : `, then ${run.laterFrames.toFixed(2)} s per frame`;
  return `first frame after ${run.firstFrame.toFixed(2)} s${later} (${run.steps} steps)\n` +
    `GPU memory: ${megabytes(memory.peak)} at the peak, ${megabytes(memory.predicted)} predicted ` +
    `(${(100 * apart).toFixed(2)} % apart)`;
}

function milliseconds({ median, min, max }: Spread): [string, string] {
  const text = (seconds: number) => (seconds * 1000).toFixed(seconds < 0.01 ? 3 : 1);
  return [text(median), `${text(min)} .. ${text(max)}`];
}

function giga(value: number): string {
  return (value / 1e9).toFixed(value < 1e10 ? 2 : 1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Columns as wide as needed; the first `left` are left-aligned. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  left: number,
): string {
  const widths = head.map((name, i) =>
    rows.reduce((most, row) => Math.max(most, (row[i] ?? "").length), name.length)
  );
  return [head, ...rows].map((row) =>
    row.map((cell, i) => i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
      .join("  ").trimEnd()
  ).join("\n");
}
