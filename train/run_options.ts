import type { Gpu, GpuOptions } from "../gpu/gpu.ts";
import type { JsonObject } from "../files/json.ts";
import type { ResizeMethod } from "../media/resize.ts";
import type { FarSizes } from "../model/config.ts";
import { EVEN } from "../model/scheduler.ts";
import { distilledSchedule, type DistillOptions, distillSettings } from "./distill/settings.ts";
import { RELEASED_SETTINGS, type StepSettings, type TrainerSettings } from "./settings.ts";

/** Settings that options give, of the training of any model. */
export const STEP_RECIPE = [
  ...["batch", "lr", "betas", "weightDecay", "schedule", "warmup", "clip", "seed", "accumulate"],
  ...["microBatch", "recompute", "freeze"],
] as const satisfies readonly (keyof StepSettings)[];

/** The same of a transformer. */
const RECIPE = [
  ...STEP_RECIPE,
  ...["cleanContext", "weighting", "conditionDropout", "dtype", "lora", "positions", "timesteps"],
] as const satisfies readonly (keyof TrainerSettings)[];

/** The recipe; missing entries are those of the released runs. */
export type Recipe = Partial<Pick<TrainerSettings, typeof RECIPE[number] | "frames">>;

/** The entries of options with these names that are given. */
export function givenOf<O extends object, K extends keyof O>(
  options: O,
  names: readonly K[],
): Partial<Pick<O, K>> {
  const given = names.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]])) as Partial<Pick<O, K>>;
}

/** Options of a run of any model. */
export interface RunOptions
  extends Partial<Pick<StepSettings, typeof STEP_RECIPE[number] | "frames">> {
  /** Videos, folders, patterns, or a .safetensors of latents. */
  readonly clips: readonly string[];
  /** The run's folder: a model folder at all times, with everything needed to continue. */
  readonly output: string;
  /** Model folder to fine-tune: its weights, autoencoder and names of actions. */
  readonly model?: string;
  /** Checkpoint to continue from if the run's folder has none, such as `checkpoint-1000`. */
  readonly from?: string;
  /** Optimiser steps of the whole run. */
  readonly steps: number;
  /** Decay of the averaged weights (0.9999); 0 keeps none. */
  readonly ema?: number;
  /** Distance between frames (1). */
  readonly interval?: number;
  /** Size to which clips are resized, in pixels (the model's, or the clips' own). */
  readonly size?: { readonly width: number; readonly height: number };
  /** Method of resizing (bilinear, as in the released loaders). */
  readonly resize?: ResizeMethod;
  /** Trains on mirrored clips too. */
  readonly flip?: boolean;
  /** False keeps the natural order of clips. */
  readonly shuffle?: boolean;
  /** False encodes windows when they are needed and keeps no latents on disk. */
  readonly cache?: boolean;
  /** Share of the clips for validation (0.05 of at least 20 clips, otherwise 0). */
  readonly heldOut?: number;
  /** Continues without clips that cannot be used. */
  readonly skipBad?: boolean;
  /** Steps between checkpoints (500). */
  readonly saveEvery?: number;
  /** Number of checkpoints to keep (2). */
  readonly keep?: number;
  /** Steps between samples (0: none). */
  readonly sampleEvery?: number;
  /** Steps between validations (500); 0: none. */
  readonly validateEvery?: number;
  /** What to do if values are no longer finite (stop). */
  readonly nan?: "stop" | "rollback";
  /** Frames per second of the samples and of the model (the model's, or 8). */
  readonly fps?: number;
  /** The command, for the report. */
  readonly command?: string;
  /** A device to use; otherwise one is opened. */
  readonly gpu?: Gpu;
  /** Which WebGPU backend to use. */
  readonly backend?: GpuOptions["backend"];
  /** Ends the run after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Called for events besides steps. */
  readonly onEvent?: (event: TrainEvent) => void;
}

/** Options of `train`. */
export interface TrainOptions extends RunOptions, Recipe {
  /** Configuration of a transformer to train from scratch; needs `vae`. */
  readonly config?: JsonObject;
  /** Model folder whose autoencoder is used (that of `model`). */
  readonly vae?: string;
  /** Makes few large steps of the many of `model`, which it learns from. */
  readonly distill?: DistillOptions;
  /** Names by index, for a model from scratch. */
  readonly names?: readonly string[];
}

/** Events besides steps. */
export type TrainEvent =
  | {
    readonly event: "clips";
    readonly stage: string;
    readonly done: number;
    readonly total: number;
  }
  | { readonly event: "skipped"; readonly problem: string }
  | { readonly event: "note"; readonly text: string }
  | { readonly event: "resumed"; readonly step: number; readonly path: string }
  | {
    readonly event: "validation";
    readonly step: number;
    readonly loss: number;
    /** PSNR of pictures that an autoencoder reconstructs. */
    readonly psnr?: number;
    readonly ssim?: number;
  }
  | { readonly event: "sample"; readonly step: number; readonly path: string }
  | { readonly event: "saved"; readonly step: number; readonly path: string }
  | { readonly event: "rollback"; readonly step: number; readonly to: number };

/** How clips are read, for `openData`; resized like the released loaders do. */
export function clipOptions(
  { clips, resize = "bilinear", flip = false, heldOut, skipBad = false, signal }: RunOptions,
) {
  const held = heldOut ?? "auto" as const;
  return { sources: clips, resize, flip, heldOut: held, skipBad, ...(signal && { signal }) };
}

/** Frames of a window: the model's; a long model sees 300, or six of its windows. */
function defaultFrames({ trainedWindow, contextPatch }: FarSizes): number {
  if (contextPatch === undefined) return trainedWindow;
  return trainedWindow === 16 ? 300 : 6 * trainedWindow;
}

/** Videos per step of the released runs, on each of their devices. */
const BATCH = 4;

/** Frames of a window. */
export function framesOf(options: TrainOptions, config: FarSizes): number {
  return options.frames ?? defaultFrames(config);
}

/** The trainer's settings, completed by the released ones. */
export function trainerSettings(
  options: TrainOptions,
  config: FarSizes,
  latent: { readonly height: number; readonly width: number },
  { scalingFactor, noise }: Pick<TrainerSettings, "scalingFactor" | "noise">,
): TrainerSettings {
  const ema = options.ema ?? RELEASED_SETTINGS.ema;
  return {
    ...RELEASED_SETTINGS,
    batch: BATCH,
    ...givenOf(options, RECIPE),
    config,
    height: latent.height,
    width: latent.width,
    frames: framesOf(options, config),
    trainingType: config.contextPatch === undefined ? "base" : "long_context",
    steps: options.steps,
    ema: ema === 0 ? undefined : ema,
    ...(options.distill && {
      distill: distillSettings(options.distill),
      cleanContext: options.cleanContext, // none: all frames see clean ones
    }),
    noise: options.distill ? distilledSchedule(options.distill, noise) : noise,
    scalingFactor,
  };
}

/** Settings that may change when a run continues: they do not change what a step computes. */
const FREE = new Set(["microBatch", "recompute"]);

/** The settings that determine a run's results, for settings.json. */
export function settingsRecord(
  settings: TrainerSettings,
  config: JsonObject,
  data: JsonObject,
): JsonObject {
  const { distill, noise, ...rest } = settings;
  const own = Object.entries(rest).filter(([key]) => key !== "config" && !FREE.has(key));
  const { steps, ...how } = distill ?? {};
  const shifted = JSON.stringify(noise) === JSON.stringify(EVEN) ? {} : noise;
  const record = { ...Object.fromEntries(own), ...how, distill: steps, ...shifted, config, data };
  return JSON.parse(JSON.stringify(record)) as JsonObject;
}

/** Names of settings that are not options. */
const NAMES: Readonly<Record<string, string>> = {
  config: "the architecture",
  height: "the height of the latents",
  width: "the width of the latents",
  scalingFactor: "the scaling factor of the autoencoder",
  clips: "the number of clips",
  clipFrames: "the number of their frames",
  shuffle: "the order of the clips",
  teacher: "the model that teaches",
};
/** Settings that follow from others. */
const IMPLIED = ["trainingType"];

/**
 * Differences between two records of settings, as texts.
 * @returns empty if the run may continue
 */
export function changedSettings(before: JsonObject, now: JsonObject): string[] {
  const [was, is] = [flat(before), flat(now)];
  const keys = new Set([...Object.keys(was), ...Object.keys(is)]);
  for (const key of IMPLIED) keys.delete(key);
  // more detail of the same
  if (now.schedule !== "cosine" && !now.ownContext) keys.delete("steps");
  const text = (value: unknown) => value === undefined ? "not given" : JSON.stringify(value);
  return [...keys].filter((key) => JSON.stringify(was[key]) !== JSON.stringify(is[key]))
    .map((key) => {
      const name = NAMES[key] ?? `\`${key}\``;
      const [a, b] = [text(was[key]), text(is[key])];
      const told = key !== "config" && key !== "shuffle" && a.length + b.length < 120;
      return told ? `${name} was ${a} and is now ${b}` : `${name} has changed`;
    });
}

function flat({ data, ...settings }: JsonObject): JsonObject {
  return { ...settings, ...(data as JsonObject | undefined) };
}
