import { parseTransformerConfig } from "../../model/config.ts";
import { listParameters } from "../../train/parameters.ts";
import {
  type ParameterSource,
  RELEASED_SETTINGS,
  type TrainBatch,
  type TrainerSettings,
} from "../../train/trainer.ts";
import { randomFloats } from "../support/random.ts";

/** Sizes of a fast model. */
export const SMALL_CONFIG = parseTransformerConfig({
  _class_name: "FAR_Long",
  attention_head_dim: 64,
  axes_dims_rope: [16, 24, 24],
  condition_cfg: { type: "action", num_action_classes: 3 },
  context_patch_size: 2,
  in_channels: 4,
  num_attention_heads: 1,
  num_layers: 2,
  out_channels: 4,
  patch_size: 1,
  short_term_ctx_winsize: 2,
  slope_scale: 0.05,
});

/** A short run of it, with long-term context. */
export const SMALL: TrainerSettings = {
  ...RELEASED_SETTINGS,
  config: SMALL_CONFIG,
  height: 4,
  width: 2,
  batch: 4,
  frames: 5,
  trainingType: "long_context",
  lr: 1e-2,
  steps: 10,
  seed: 3,
};

/** Weights without zeros, so that no gradient vanishes by accident. */
export const SMALL_WEIGHTS: ParameterSource = (name, shape) => {
  const count = shape.reduce((a, b) => a * b, 1);
  const seed = listParameters(SMALL_CONFIG).findIndex((parameter) => parameter.name === name) + 1;
  return Promise.resolve(randomFloats(count, seed, name.includes("norm_") ? 1 : 0.2));
};

/** Clips of random numbers. */
export function smallBatch(videos: number, seed: number): TrainBatch {
  const { frames, height, width } = SMALL;
  const latents = randomFloats(videos * frames * 4 * height * width, seed, 6);
  const classes = Int32Array.from({ length: videos * frames }, (_, i) => (i * seed) % 3);
  return { videos, frames, latents, classes };
}
