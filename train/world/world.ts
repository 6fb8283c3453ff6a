import { EVEN } from "../../model/scheduler.ts";
import { join } from "node:path";
import { parseTransformerConfig } from "../../model/config.ts";
import { Gpu } from "../../gpu/gpu.ts";
import type { AutoencoderOptions } from "../autoencoder/options.ts";
import type { AdversarialSettings } from "../autoencoder/settings.ts";
import { previewAutoencoder } from "../autoencoder/preview.ts";
import { CpuGenerator } from "../../run/noise.ts";
import { DataSet, type LatentClip } from "../data/data_set.ts";
import { Sampler } from "../data/sampler.ts";
import { measureSteps } from "../preview.ts";
import { trainerSettings, type TrainOptions } from "../run_options.ts";
import { Trainer, type TrainPlan } from "../trainer.ts";
import { autoencoderOf, chooseCompression, transformerOf, type WorldScale } from "./sizes.ts";
import { type Survey, surveyClips } from "./survey.ts";

/** What `planWorld` takes: as `train` without a model, whose sizes are chosen. */
export interface WorldOptions
  extends
    Omit<TrainOptions, "model" | "config" | "vae" | "steps">,
    Pick<AutoencoderOptions, "loss" | "lpips" | "latentNoise" | keyof AdversarialSettings> {
  /** How large the two models are (small). */
  readonly scale?: WorldScale;
  /** Optimiser steps of the transformer (6000; base: 100,000). */
  readonly steps?: number;
  /** Optimiser steps of the autoencoder (3000; base: 50,000). */
  readonly vaeSteps?: number;
}

/** A training, and what it takes. */
export interface PlannedPart<Options> {
  readonly options: Options;
  readonly plan: TrainPlan;
  /** Seconds that its steps take, about. */
  readonly seconds: number;
}

/** Both trainings of a world, one after the other. */
export interface WorldPlan {
  readonly survey: Survey;
  /** Pixels per latent. */
  readonly compression: number;
  readonly autoencoder: PlannedPart<AutoencoderOptions>;
  readonly world: PlannedPart<TrainOptions>;
}

/** Recipes that suit the sizes; whatever is given comes before them. */
const RECIPES = {
  small: { vaeSteps: 3000, steps: 6000, vaeLr: 1e-3, lr: 1e-3 },
  base: { vaeSteps: 50_000, steps: 100_000, vaeLr: 2e-4, lr: 2e-4 },
} as const;
/** Clips from which on one is held out, and from which on one in twenty. */
const FEW = 4;
const MANY = 20;
/** Most steps between two checkpoints. */
const SAVE_EVERY = 500;
/** Folder of the autoencoder's run within that of the world. */
const AUTOENCODER = "autoencoder";

/**
 * Chooses an autoencoder and a transformer for clips and device, and says what training both takes,
 * by a few steps of each that are measured.
 * @throws as `train` and `trainAutoencoder`, of what can be known beforehand
 */
export async function planWorld(options: WorldOptions): Promise<WorldPlan> {
  const { scale = "small" } = options;
  const survey = await surveyClips(options);
  const compression = chooseCompression(survey, scale);
  const autoencoder = autoencoderPart(options, survey, compression);
  const world = worldPart(options, survey, compression);
  const gpu = options.gpu ?? await Gpu.open({ backend: options.backend });
  try {
    const measured = await previewAutoencoder({ ...autoencoder, gpu });
    return {
      survey,
      compression,
      autoencoder: {
        options: autoencoder,
        plan: measured.plan,
        seconds: measured.secondsPerStep * autoencoder.steps,
      },
      world: { options: world, ...await measureTransformer(world, survey, compression, gpu) },
    };
  } finally {
    if (!options.gpu) await gpu.close();
  }
}

/** Plans the transformer's training, and measures a few steps on noise: there are no latents yet. */
async function measureTransformer(
  options: TrainOptions,
  { width, height }: Survey,
  compression: number,
  gpu: Gpu,
): Promise<Omit<PlannedPart<TrainOptions>, "options">> {
  const config = parseTransformerConfig(options.config!);
  const latent = { height: height / compression, width: width / compression };
  const settings = trainerSettings(options, config, latent, { scalingFactor: 1, noise: EVEN });
  const { batch, frames, seed, accumulate } = settings;
  const noise = new CpuGenerator(seed);
  const floats = config.channels * latent.height * latent.width;
  const clip: LatentClip = {
    path: "noise",
    frames,
    ...(config.condition.kind === "action" && { classes: new Int32Array(frames) }),
    read: (_, count) => Promise.resolve(noise.randn(count * floats)),
  };
  const sizes = { ...latent, channels: config.channels };
  const data = new DataSet([clip], sizes, { frames, interval: 1 });
  const trainer = await Trainer.open(gpu, settings, "init");
  try {
    const sampler = new Sampler({ starts: data.starts, batch, seed, shuffle: true });
    const seconds = await measureSteps(trainer, data, sampler, accumulate);
    return { plan: trainer.plan, seconds: options.steps * seconds };
  } finally {
    trainer.close();
  }
}

/** What both parts share: clips, their order, what is held out, how it is told. */
function sharedBy(options: WorldOptions, { clips, width, height }: Survey, steps: number) {
  const { interval, resize, skipBad, keep } = options;
  const tenth = Math.ceil(steps / 10);
  const often = Math.min(tenth, SAVE_EVERY);
  const { nan, backend, gpu, signal, onEvent, seed, shuffle } = options;
  const auto = clips.length >= MANY ? undefined : clips.length >= FEW ? 1 / clips.length : 0;
  return {
    ...{ clips: options.clips, size: { width, height }, heldOut: options.heldOut ?? auto },
    ...{ interval, resize, skipBad, keep },
    saveEvery: options.saveEvery ?? often,
    validateEvery: options.validateEvery ?? often,
    sampleEvery: options.sampleEvery ?? tenth,
    ...{ nan, backend, gpu, signal, onEvent, seed, shuffle },
    schedule: options.schedule ?? "cosine",
  } as const;
}

/** The average of about the last tenth of the steps. */
function averageOver(steps: number): number {
  return Math.min(0.9999, Math.max(0.5, 1 - 10 / steps));
}

function autoencoderPart(
  options: WorldOptions,
  survey: Survey,
  compression: number,
): AutoencoderOptions {
  const { scale = "small", output, vaeSteps: steps = RECIPES[scale].vaeSteps } = options;
  const { loss, lpips, latentNoise, discStart, discWeight, discFilters } = options;
  return defined({
    ...sharedBy(options, survey, steps),
    output: join(output, AUTOENCODER),
    config: autoencoderOf(compression, scale),
    steps,
    frames: Math.min(4, survey.frames),
    lr: RECIPES[scale].vaeLr,
    betas: [0.9, 0.99] as const,
    warmup: Math.ceil(steps / 20),
    ema: averageOver(steps),
    ...{ loss, lpips, latentNoise, discStart, discWeight, discFilters },
  });
}

function worldPart(options: WorldOptions, survey: Survey, compression: number): TrainOptions {
  const { scale = "small", output, interval = 1, steps = RECIPES[scale].steps } = options;
  const { width, height, names } = survey;
  const taken = Math.floor((survey.frames - 1) / interval) + 1;
  const shape = {
    frames: options.frames ?? taken,
    latents: [height / compression, width / compression] as const,
    actions: names?.length ?? 0,
  };
  const { config, frames } = transformerOf(shape, scale);
  return defined({
    ...sharedBy(options, survey, steps),
    ...{ output, config, frames, steps, names, command: options.command },
    vae: join(output, AUTOENCODER),
    lr: options.lr ?? RECIPES[scale].lr,
    warmup: options.warmup ?? Math.ceil(steps / 20),
    batch: options.batch,
    accumulate: options.accumulate,
    ema: options.ema ?? averageOver(steps),
    fps: options.fps ?? survey.fps,
  });
}

function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
