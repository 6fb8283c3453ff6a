import { createHash } from "node:crypto";
import type { JsonObject } from "../../files/json.ts";
import type { LpipsNetwork } from "../../metrics/lpips.ts";
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
  /** Files or folders of LPIPS: torchvision's VGG16, and lpips' weights for it; weight 1. */
  readonly lpips?: readonly string[];
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
  { config, sizes, perceptual }: Pick<AutoencoderSettings, "config" | "sizes" | "perceptual">,
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
    loss: { ...AUTOENCODER_SETTINGS.loss, ...(perceptual && { lpips: 1 }), ...options.loss },
    perceptual,
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
  const { sizes, recompute: _, microBatch: __, perceptual, ...own } = settings;
  const normed = [...sizes.encoder, ...sizes.decoder].some(({ norm }) => norm === "batch_norm");
  const record = {
    ...own,
    ...(normed && { microBatch }),
    ...(perceptual && { perceptual: digestOf(perceptual) }),
    ...data,
  };
  return JSON.parse(JSON.stringify(record)) as JsonObject;
}

/** Tells networks apart. */
function digestOf({ weights, heads }: LpipsNetwork): string {
  const hash = createHash("sha256");
  for (const { weight, bias } of weights.values()) hash.update(weight).update(bias);
  for (const head of heads) hash.update(head);
  return hash.digest("hex");
}
