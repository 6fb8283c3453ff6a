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

/** Kernels, with their shares of the peaks. */
export function kernelTable(kernels: readonly KernelResult[], { peaks, clock }: Basis): string {
  const rows = kernels.map(({ model, label, shape, seconds, work }) => {
    const took = secondsBy(seconds, clock);
    const bytes = (work.read + work.written) / took.median;
    const [rate, share] = rates(work.flops, took, peaks);
    return {
      model,
      kernel: label,
      shape,
      ...milliseconds(took),
      "GFLOP/s": work.flops ? rate : "",
      "of peak": work.flops ? share : "",
      "GB/s": giga(bytes),
      "of copy": percent(bytes / peaks.bytes),
    };
  });
  return namedTable(rows, 3);
}

/** Model calls by the number of frames before. */
export function stepTable(steps: readonly StepResult[], { peaks, clock }: Basis): string {
  const rows = steps.map(({ frame, kind, seconds, work }) => {
    const took = secondsBy(seconds, clock);
    const [rate, share] = rates(work.flops, took, peaks);
    return {
      "frames before": String(frame),
      call: kind === "first" ? "first of a frame" : "step",
      ...milliseconds(took),
      ...clocks(seconds),
      passes: String(work.passes),
      dispatches: String(work.dispatches),
      GFLOP: (work.flops / 1e9).toFixed(2),
      MB: ((work.read + work.written) / 1e6).toFixed(1),
      "GFLOP/s": rate,
      "of peak": share,
    };
  });
  return namedTable(rows, 2);
}

/** A training step: what it takes, planned and measured. */
export function trainTable(result: TrainStepResult, { peaks, clock }: Basis): string {
  const { videos, frames, height, width, seconds, plan, allocated } = result;
  const took = secondsBy(seconds, clock);
  const [rate, share] = rates(plan.flops, took, peaks);
  const row = {
    "training step": `${videos} x ${frames} of ${width}x${height}`,
    ...milliseconds(took),
    ...clocks(seconds),
    dispatches: String(plan.dispatches),
    GFLOP: (plan.flops / 1e9).toFixed(2),
    "GFLOP/s": rate,
    "of peak": share,
    "memory planned": megabytes(plan.bytes.total),
    allocated: megabytes(allocated),
  };
  return namedTable([row], 1);
}

/** Encoding and decoding of a frame. */
export function codecTable(codec: readonly CodecResult[], { peaks, clock }: Basis): string {
  const rows = codec.map(({ half, seconds, work }) => {
    const took = secondsBy(seconds, clock);
    const [rate, share] = rates(work.flops, took, peaks);
    return {
      "one frame": half,
      ...milliseconds(took),
      dispatches: String(work.dispatches),
      GFLOP: (work.flops / 1e9).toFixed(2),
      "GFLOP/s": rate,
      "of peak": share,
    };
  });
  return namedTable(rows, 1);
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

function milliseconds({ median, min, max }: Spread) {
  const text = (seconds: number) => (seconds * 1000).toFixed(seconds < 0.01 ? 3 : 1);
  return { ms: text(median), "least .. most": `${text(min)} .. ${text(max)}` };
}

function clocks({ wall, cpu }: StepResult["seconds"]) {
  const text = ({ median }: Spread) => (median * 1000).toFixed(1);
  return { "wall ms": text(wall), "CPU ms": text(cpu) };
}

/** Floating-point operations per second, and their share of the peak. */
function rates(flops: number, { median }: Spread, peaks: Peaks): [rate: string, share: string] {
  return [giga(flops / median), percent(flops / median / peaks.flops)];
}

function giga(value: number): string {
  return (value / 1e9).toFixed(value < 1e10 ? 2 : 1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** A table whose columns have the names of the rows' entries. */
function namedTable(rows: readonly Readonly<Record<string, string>>[], left: number): string {
  return table(Object.keys(rows[0] ?? {}), rows.map(Object.values), left);
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
