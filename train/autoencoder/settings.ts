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

/** Everything that decides what the training of an autoencoder computes. */
export interface AutoencoderSettings extends StepSettings {
  /** Sizes of the autoencoder, and the configuration they were read from. */
  readonly sizes: AutoencoderSizes;
  readonly config: JsonObject;
  readonly loss: LossWeights;
  /** Network of LPIPS, where it is a part of the loss. */
  readonly perceptual?: LpipsNetwork | undefined;
  /** Deviation of noise that is added to raw latents before they are decoded; 0: none. */
  readonly latentNoise: number;
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
