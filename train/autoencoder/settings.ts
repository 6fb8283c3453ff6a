import type { JsonObject } from "../../files/json.ts";
import type { PictureWeights } from "../../kernels/picture_loss.ts";
import type { LpipsNetwork } from "../../metrics/lpips.ts";
import type { AutoencoderSizes } from "../../model/autoencoder_config.ts";
import { RELEASED_SETTINGS, type StepSettings } from "../settings.ts";

/** Weights of the parts of the loss. */
export interface LossWeights extends PictureWeights {
  /** Weight of 1 - MS-SSIM. */
  readonly structure: number;
  /** Weight of LPIPS by VGG16. */
  readonly lpips: number;
}

/** How a discriminator takes part. */
export interface AdversarialSettings {
  /** Steps before it joins and the encoder rests; undefined: it never does. */
  readonly discStart: number;
  /** Factor of the adversarial gradient, where 1 makes it as large as the reconstruction's (0.5). */
  readonly discWeight: number;
  /** Channels after its first layer, doubled three times; a multiple of 4 (64). */
  readonly discFilters: number;
}

/** Everything that decides what the training of an autoencoder computes. */
export interface AutoencoderSettings extends StepSettings, Partial<AdversarialSettings> {
  /** Sizes of the autoencoder, and the configuration they were read from. */
  readonly sizes: AutoencoderSizes;
  readonly config: JsonObject;
  readonly loss: LossWeights;
  /** Network of LPIPS, where it is a part of the loss. */
  readonly perceptual?: LpipsNetwork | undefined;
  /** Deviation of noise that is added to raw latents before they are decoded; 0: none. */
  readonly latentNoise: number;
}

/** The settings of a discriminator, if there is one; those of the released recipe where missing. */
export function adversarialSettings(
  { discStart, discWeight = 0.5, discFilters = 64 }: {
    readonly [name in keyof AdversarialSettings]?: number | undefined;
  },
): AdversarialSettings | undefined {
  return discStart === undefined ? undefined : { discStart, discWeight, discFilters };
}

/** The released recipe, except for a loss that needs no other network's weights. */
export const AUTOENCODER_SETTINGS = {
  ...RELEASED_SETTINGS,
  betas: [0.5, 0.9],
  batch: 4,
  frames: 4,
  loss: { l1: 1, mse: 0, edges: 0.5, structure: 0.5, lpips: 0 },
  latentNoise: 0,
} as const satisfies Partial<AutoencoderSettings>;
