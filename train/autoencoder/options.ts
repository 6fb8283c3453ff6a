import { createHash } from "node:crypto";
import type { JsonObject } from "../../files/json.ts";
import type { LpipsNetwork } from "../../metrics/lpips.ts";
import { givenOf, type RunOptions, STEP_RECIPE } from "../run_options.ts";
import {
  type AdversarialSettings,
  adversarialSettings,
  AUTOENCODER_SETTINGS,
  type AutoencoderSettings,
  type LossWeights,
} from "./settings.ts";

/** Options of `trainAutoencoder`; `batch` counts clips, `frames` the pictures of each. */
export interface AutoencoderOptions extends RunOptions, Partial<AdversarialSettings> {
  /** config.json of an autoencoder to train from scratch. */
  readonly config?: JsonObject;
  /** Weights of the parts of the loss; missing ones have their defaults. */
  readonly loss?: Partial<LossWeights>;
  /** Files or folders of LPIPS: torchvision's VGG16, and lpips' weights for it; weight 1. */
  readonly lpips?: readonly string[];
  /** Deviation of noise that is added to raw latents before they are decoded (0). */
  readonly latentNoise?: number;
}

const ADVERSARIAL = ["discStart", "discWeight", "discFilters"] as const;

/** The trainer's settings, completed by the defaults. */
export function autoencoderSettings(
  options: AutoencoderOptions,
  { config, sizes, perceptual }: Pick<AutoencoderSettings, "config" | "sizes" | "perceptual">,
  pictures: { readonly height: number; readonly width: number },
): AutoencoderSettings {
  const { lr, weightDecay, eps, schedule, warmup, clip, seed, accumulate } = AUTOENCODER_SETTINGS;
  const { betas, batch, frames, latentNoise } = AUTOENCODER_SETTINGS;
  const ema = options.ema ?? AUTOENCODER_SETTINGS.ema;
  return {
    ...{ lr, weightDecay, eps, schedule, warmup, clip, seed, accumulate },
    ...{ betas, batch, frames, latentNoise },
    ...givenOf(options, [...STEP_RECIPE, "frames", "latentNoise", ...ADVERSARIAL]),
    ...adversarialSettings(options),
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
 * The settings that determine a run's results, for settings.json. With batch norms, which every
 * discriminator has, these include how many pictures are computed at once.
 */
export function autoencoderRecord(
  settings: AutoencoderSettings,
  microBatch: number,
  data: JsonObject,
): JsonObject {
  const { sizes, recompute: _, microBatch: __, perceptual, ...own } = settings;
  const normed = settings.discStart !== undefined ||
    [...sizes.encoder, ...sizes.decoder].some(({ norm }) => norm === "batch_norm");
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
