import type { TrainPreview } from "../../app_large.ts";
import { orAborted } from "../../cli/abort.ts";
import { duration } from "../../cli/progress.ts";
import type { TrainJob } from "./job.ts";
import type { TrainCall } from "./spec.ts";
import { count } from "../../request/report.ts";

/** Prints the needs of a run: memory by kind, and the time of a few measured steps. */
export async function dryRun(
  { asked, unit, preview: measure }: TrainJob,
  { options, terminal, signal }: TrainCall,
): Promise<void> {
  const preview = await orAborted(measure(), signal); // nothing is lost, and a step may take minutes
  const text = options.json
    ? JSON.stringify(preview, null, 2)
    : describe(preview, asked.steps, unit);
  await terminal.print(`${text}\n`);
}

function describe(
  { plan, clips, frames, secondsPerStep }: TrainPreview,
  steps: number,
  unit: TrainJob["unit"],
): string {
  const { bytes } = plan;
  const row = (name: string, value: number) =>
    `  ${name.padEnd(12)} ${(value / 1e6).toFixed(1)} MB`;
  return [
    `data         ${count(clips, "clip")}, ${frames} frames`,
    `parameters   ${plan.parameters}, of which ${plan.trained} are trained`,
    `memory       ${(bytes.total / 1e6).toFixed(1)} MB`,
    row("weights", bytes.weights),
    row("gradients", bytes.gradients),
    row("moments", bytes.moments),
    row("average", bytes.ema),
    ...(bytes.teacher > 0 ? [row("teacher", bytes.teacher)] : []),
    row("activations", bytes.activations),
    `step         ${plan.microBatch} ${unit} at once, ${plan.dispatches} dispatches, ` +
    `${(plan.flops / 1e9).toFixed(2)} GFLOP${plan.recompute ? ", blocks computed twice" : ""}`,
    `time         ${secondsPerStep.toFixed(2)} s per step, ${
      duration(steps * secondsPerStep)
    } in all`,
  ].join("\n");
}
