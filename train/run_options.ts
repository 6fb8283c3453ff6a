import type { GpuOptions } from "../gpu/gpu.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { JsonObject } from "../files/json.ts";
import type { ResizeMethod } from "../media/resize.ts";
import type { FarSizes } from "../model/config.ts";
import { RELEASED_SETTINGS, type TrainerSettings } from "./settings.ts";

/** The recipe: what may be left out is as in the released runs. */
export type Recipe = Partial<
  Pick<
    TrainerSettings,
    | "batch"
    | "frames"
    | "lr"
    | "betas"
    | "weightDecay"
    | "schedule"
    | "warmup"
    | "clip"
    | "cleanContext"
    | "weighting"
    | "conditionDropout"
    | "seed"
    | "accumulate"
    | "microBatch"
    | "recompute"
    | "dtype"
    | "freeze"
    | "lora"
    | "positions"
    | "timesteps"
  >
>;

/** What `train` takes. */
export interface TrainOptions extends Recipe {
  /** Videos, folders, patterns, or a .safetensors of latents. */
  readonly clips: readonly string[];
  /** The run's folder: a model folder at all times, and all that is needed to go on. */
  readonly output: string;
  /** Model folder to go on from: its weights, autoencoder and names of actions. */
  readonly model?: string;
  /** Configuration of a transformer that is trained from scratch, with `vae`. */
  readonly config?: JsonObject;
  /** Model folder whose autoencoder is used; the model's own where absent. */
  readonly vae?: string;
  /** Checkpoint to go on from where the run's folder has none, such as `checkpoint-1000`. */
  readonly from?: string;
  /** Optimiser steps of the whole run. */
  readonly steps: number;
  /** Decay of the averaged weights (0.9999); 0 keeps none. */
  readonly ema?: number;
  /** One in so many frames is taken (1). */
  readonly interval?: number;
  /** Pixels that clips are brought to (the model's, else the clips' own). */
  readonly size?: { readonly width: number; readonly height: number };
  /** How (bilinear, as the released loaders). */
  readonly resize?: ResizeMethod;
  /** Trains on mirrored clips too. */
  readonly flip?: boolean;
  /** False keeps natural order, around and around. */
  readonly shuffle?: boolean;
  /** False encodes windows as they are needed and keeps no latents on disk. */
  readonly cache?: boolean;
  /** Share of the clips kept for validation (0.05 of 20 clips or more, else 0). */
  readonly heldOut?: number;
  /** Goes on without clips that cannot be used. */
  readonly skipBad?: boolean;
  /** Steps between checkpoints (500), and how many are kept (2). */
  readonly saveEvery?: number;
  /** Checkpoints that are kept (2). */
  readonly keep?: number;
  /** Steps between samples (0: none) and between validations (500; 0: none). */
  readonly sampleEvery?: number;
  /** Steps between validations; 0: none. */
  readonly validateEvery?: number;
  /** What happens when numbers are not finite any more (stop). */
  readonly nan?: "stop" | "rollback";
  /** Names by index, for a model from scratch. */
  readonly names?: readonly string[];
  /** Frames per second of the samples and of the model (the model's, else 8). */
  readonly fps?: number;
  /** The command, for the report. */
  readonly command?: string;
  /** A device to use; one is opened otherwise. */
  readonly gpu?: Gpu;
  /** Which WebGPU backend to use. */
  readonly backend?: GpuOptions["backend"];
  /** Ends the run after the step at hand, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Told what happens beside steps. */
  readonly onEvent?: (event: TrainEvent) => void;
}

/** What happens beside steps. */
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
    /** Of pictures that an autoencoder makes again. */
    readonly psnr?: number;
    readonly ssim?: number;
  }
  | { readonly event: "sample"; readonly step: number; readonly path: string }
  | { readonly event: "saved"; readonly step: number; readonly path: string }
  | { readonly event: "rollback"; readonly step: number; readonly to: number };

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
  scalingFactor: number,
): TrainerSettings {
  const given = Object.fromEntries(
    RECIPE.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  ) as Recipe;
  const ema = options.ema ?? RELEASED_SETTINGS.ema;
  return {
    ...RELEASED_SETTINGS,
    batch: BATCH,
    ...given,
    config,
    height: latent.height,
    width: latent.width,
    frames: framesOf(options, config),
    trainingType: config.contextPatch === undefined ? "base" : "long_context",
    steps: options.steps,
    ema: ema === 0 ? undefined : ema,
    scalingFactor,
  };
}

const RECIPE = [
  "batch",
  "lr",
  "betas",
  "weightDecay",
  "schedule",
  "warmup",
  "clip",
  "cleanContext",
  "weighting",
  "conditionDropout",
  "seed",
  "accumulate",
  "microBatch",
  "recompute",
  "dtype",
  "freeze",
  "lora",
  "positions",
  "timesteps",
] as const satisfies readonly (keyof Recipe)[];

/** Settings that may change when a run goes on: they do not change what a step computes. */
const FREE = new Set(["microBatch", "recompute"]);

/** What decides a run's numbers, as it is kept in settings.json. */
export function settingsRecord(
  settings: TrainerSettings,
  config: JsonObject,
  data: JsonObject,
): JsonObject {
  const own = Object.entries(settings).filter(([key]) => key !== "config" && !FREE.has(key));
  const record = { ...Object.fromEntries(own), config, data };
  return JSON.parse(JSON.stringify(record)) as JsonObject;
}

/** How settings are called that are not options. */
const NAMES: Readonly<Record<string, string>> = {
  config: "the architecture",
  height: "the height of the latents",
  width: "the width of the latents",
  scalingFactor: "the scaling factor of the autoencoder",
  clips: "the number of clips",
  clipFrames: "the number of their frames",
  shuffle: "the order of the clips",
};
/** Follow from others. */
const IMPLIED = ["trainingType"];

/**
 * Settings of two records that differ, as texts.
 * @returns empty where a run may go on
 */
export function changedSettings(before: JsonObject, now: JsonObject): string[] {
  const [was, is] = [flat(before), flat(now)];
  const keys = new Set([...Object.keys(was), ...Object.keys(is)]);
  for (const key of IMPLIED) keys.delete(key);
  if (now.schedule !== "cosine") keys.delete("steps"); // more of the same
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
