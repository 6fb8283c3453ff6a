import type { JsonObject } from "../../files/json.ts";
import type { AutoencoderSizes } from "../../model/autoencoder_config.ts";
import type { TrainOptions } from "../run_options.ts";
import { AUTOENCODER_SETTINGS, type AutoencoderSettings, type LossWeights } from "./settings.ts";

/** Options of `trainAutoencoder`; `batch` counts clips, `frames` the pictures of each. */
export interface AutoencoderOptions extends
  Pick<
    TrainOptions,
    | "clips"
    | "output"
    | "model"
    | "from"
    | "steps"
    | "batch"
    | "frames"
    | "lr"
    | "betas"
    | "weightDecay"
    | "schedule"
    | "warmup"
    | "clip"
    | "seed"
    | "accumulate"
    | "microBatch"
    | "recompute"
    | "freeze"
    | "ema"
    | "interval"
    | "size"
    | "resize"
    | "flip"
    | "shuffle"
    | "cache"
    | "heldOut"
    | "skipBad"
    | "saveEvery"
    | "keep"
    | "sampleEvery"
    | "validateEvery"
    | "nan"
    | "fps"
    | "command"
    | "gpu"
    | "backend"
    | "signal"
    | "onEvent"
  > {
  /** config.json of an autoencoder to train from scratch. */
  readonly config?: JsonObject;
  /** Weights of the parts of the loss; missing ones have their defaults. */
  readonly loss?: Partial<LossWeights>;
  /** Deviation of noise that is added to raw latents before they are decoded (0). */
  readonly latentNoise?: number;
}

const RECIPE = [
  "batch",
  "frames",
  "lr",
  "betas",
  "weightDecay",
  "schedule",
  "warmup",
  "clip",
  "seed",
  "accumulate",
  "microBatch",
  "recompute",
  "freeze",
  "latentNoise",
] as const satisfies readonly (keyof AutoencoderOptions & keyof AutoencoderSettings)[];

/** The trainer's settings, completed by the defaults. */
export function autoencoderSettings(
  options: AutoencoderOptions,
  { config, sizes }: { readonly config: JsonObject; readonly sizes: AutoencoderSizes },
  pictures: { readonly height: number; readonly width: number },
): AutoencoderSettings {
  const given = Object.fromEntries(
    RECIPE.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  );
  const { lr, weightDecay, eps, schedule, warmup, clip, seed, accumulate } = AUTOENCODER_SETTINGS;
  const { betas, batch, frames, latentNoise } = AUTOENCODER_SETTINGS;
  const ema = options.ema ?? AUTOENCODER_SETTINGS.ema;
  return {
    ...{ lr, weightDecay, eps, schedule, warmup, clip, seed, accumulate },
    ...{ betas, batch, frames, latentNoise },
    ...given,
    config,
    sizes,
    height: pictures.height,
    width: pictures.width,
    steps: options.steps,
    ema: ema === 0 ? undefined : ema,
    loss: { ...AUTOENCODER_SETTINGS.loss, ...options.loss },
  };
}

/**
 * The settings that determine a run's results, for settings.json. With batch norms these include
 * how many pictures are computed at once.
 */
export function autoencoderRecord(
  settings: AutoencoderSettings,
  microBatch: number,
  data: JsonObject,
): JsonObject {
  const { sizes, recompute: _, microBatch: __, ...own } = settings;
  const normed = [...sizes.encoder, ...sizes.decoder].some(({ norm }) => norm === "batch_norm");
  const record = { ...own, ...(normed && { microBatch }), ...data };
  return JSON.parse(JSON.stringify(record)) as JsonObject;
}
