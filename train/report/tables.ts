import type { Gpu } from "../../gpu/gpu.ts";
import type { OpenedData } from "../data/open_data.ts";
import type { TrainPlan } from "../plan.ts";

/** Names and values of a report's table. */
export type Table = Readonly<Record<string, string>>;

/** All settings except the configuration, which is long. */
export function settingsTable(settings: object): Table {
  const shown = Object.entries(settings).filter(([key, value]) =>
    !["config", "sizes", "perceptual"].includes(key) && value !== undefined
  );
  return Object.fromEntries(
    shown.map(([key, value]) => [
      key,
      typeof value === "object" ? JSON.stringify(value) : String(value),
    ]),
  );
}

/** Clips and frames. @param what is trained on: `latents` or `pictures` */
export function dataTable(
  { train, heldOut }: Pick<OpenedData, "train" | "heldOut">,
  sources: readonly string[],
  what: "latents" | "pictures",
): Table {
  const { channels, height, width } = train.sizes;
  return {
    clips: `${train.clips.length}${heldOut ? ` and ${heldOut.clips.length} for validation` : ""}`,
    frames: train.frames.toLocaleString("en"),
    [what]: what === "latents" ? `${channels} x ${height} x ${width}` : `${width} x ${height}`,
    from: sources.join(", "),
  };
}

/** Number of all and of trained parameters. */
export function sizesTable(plan: TrainPlan): Table {
  return {
    parameters: plan.parameters.toLocaleString("en"),
    trained: plan.trained.toLocaleString("en"),
  };
}

/** The device and its memory for the run. @param unit what is computed at once, in the plural */
export function machineTable(
  { adapter }: Pick<Gpu, "adapter">,
  { bytes, microBatch, recompute }: TrainPlan,
  unit: "videos" | "pictures",
): Table {
  const megabytes = (count: number) => `${(count / 1e6).toFixed(1)} MB`;
  return {
    device: adapter.name,
    program: `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}`,
    "memory for weights": megabytes(bytes.weights),
    "for gradients and moments": megabytes(bytes.gradients + bytes.moments),
    "for the average": megabytes(bytes.ema),
    ...(bytes.teacher > 0 && { "for the teacher": megabytes(bytes.teacher) }),
    "for activations": megabytes(bytes.activations),
    "total memory": megabytes(bytes.total),
    [`${unit} on the device at once`]: String(microBatch),
    "blocks recomputed": recompute ? "yes" : "no",
  };
}
