import type { FarSizes } from "../model/config.ts";
import type { Rounding } from "../model/embeddings.ts";
import type { GeneratorState } from "../run/noise.ts";

/** Clips of one step, as a data set gives them. */
export interface TrainBatch {
  readonly videos: number;
  /** Frames per video; long-context training cuts its own length out of them. */
  readonly frames: number;
  /** [videos, frames, C, h, w]: what the encoder gave, without the scaling factor. */
  readonly latents: Float32Array;
  /** Actions [videos, frames] or labels [videos]; absent for a model without classes. */
  readonly classes?: Int32Array;
}

/** What one optimiser step did. */
export interface StepResult {
  /** 1 for the first. */
  readonly step: number;
  /** Mean over the videos of their masked squared errors. */
  readonly loss: number;
  /** Norm of all gradients, before clipping. */
  readonly gradNorm: number;
  /** Learning rate that the step used. */
  readonly lr: number;
  /** Frames per video of this step: long-context training draws them. */
  readonly frames: number;
  /** Tokens of all videos. */
  readonly tokens: number;
  /** False where loss or gradients were not finite: the weights were left as they were. */
  readonly finite: boolean;
}

export type { GeneratorState };

/** State of every generator that a step draws from. */
export interface RandomState {
  /** PyTorch's CPU generator. */
  readonly torch: GeneratorState;
  /** Python's `random`. */
  readonly python: GeneratorState;
}

/** All that a run needs to go on, bit for bit. Maps hold the released names and shapes. */
export interface TrainState {
  /** Optimiser steps done. */
  readonly step: number;
  readonly parameters: Map<string, Float32Array>;
  readonly expAvg: Map<string, Float32Array>;
  readonly expAvgSq: Map<string, Float32Array>;
  /** Absent where no average is kept. */
  readonly ema: Map<string, Float32Array> | undefined;
  readonly random: RandomState;
  /** Of training in f16. */
  readonly lossScale?: LossScaleState;
}

/** Dynamic loss scaling: doubled after many good steps in a row, halved at an overflow. */
export interface LossScaleState {
  readonly scale: number;
  readonly goodSteps: number;
}

/** Low-rank adapters: W + scale B A beside frozen weights, scale = alpha / rank. */
export interface LoraSettings {
  /** Columns of B and rows of A, a multiple of 4. */
  readonly rank: number;
  /** Ends of layer names, as in peft: `to_q`, `to_out.0`, `mlp.net.2` ... */
  readonly targets: readonly string[];
  /** The rank when absent. */
  readonly alpha?: number;
}

/** Everything that decides what a run computes. Defaults are in `RELEASED_SETTINGS`. */
export interface TrainerSettings {
  /** Of the transformer. */
  readonly config: FarSizes;
  /** Of the latents. */
  readonly height: number;
  /** Of the latents. */
  readonly width: number;
  /** Videos per step, and frames per video in a batch. */
  readonly batch: number;
  /** Frames per video in a batch. */
  readonly frames: number;
  /** "long_context" draws how many frames a step has. */
  readonly trainingType: "base" | "long_context";
  /** Learning rate, at its highest. */
  readonly lr: number;
  /** Decay of AdamW's two moments. */
  readonly betas: readonly [number, number];
  /** Weight decay of AdamW. */
  readonly weightDecay: number;
  /** Added to the root of the second moment. */
  readonly eps: number;
  /** The learning rate after the warm-up. */
  readonly schedule: "constant" | "cosine";
  /** Steps of linear warm-up. */
  readonly warmup: number;
  /** Steps of the whole run: where the cosine schedule ends. */
  readonly steps: number;
  /** Largest norm of all gradients. */
  readonly clip: number;
  /** Decay of the averaged weights; undefined keeps none. */
  readonly ema: number | undefined;
  /** Share of window frames that are given clean; undefined: none. */
  readonly cleanContext: number | undefined;
  /** How timesteps are drawn. */
  readonly weighting: "logit_normal" | "uniform";
  /** Share of labels or actions replaced by the null class. */
  readonly conditionDropout: number;
  /** Of all draws. */
  readonly seed: number;
  /** Batches per optimiser step: equals one batch that many times larger. */
  readonly accumulate: number;
  /** Videos that the device computes at once; chosen by memory when absent. */
  readonly microBatch?: number;
  /** Recompute blocks in the backward pass; "auto" where memory asks for it. */
  readonly recompute?: boolean | "auto";
  /** Arithmetic of weights and activations. */
  readonly dtype: "f32" | "f16";
  /** Patterns (`*` stands for anything) of names that are not trained. */
  readonly freeze?: readonly string[];
  /** Adapters that are trained in place of the weights. */
  readonly lora?: LoraSettings;
  /** "bf16" rounds frame positions as the released runs did. */
  readonly positions: Rounding;
  /** "bf16" rounds timesteps as the released runs did. */
  readonly timesteps: Rounding;
  /** Factor of raw latents. */
  readonly scalingFactor: number;
}

/** The recipe of the released runs. */
export const RELEASED_SETTINGS = {
  lr: 1e-4,
  betas: [0.9, 0.999],
  weightDecay: 0,
  eps: 1e-8,
  schedule: "constant",
  warmup: 0,
  clip: 1,
  ema: 0.9999,
  cleanContext: 0.1,
  weighting: "logit_normal",
  conditionDropout: 0.1,
  seed: 0,
  accumulate: 1,
  dtype: "f32",
  positions: "exact",
  timesteps: "exact",
  scalingFactor: 0.2889,
} as const satisfies Partial<TrainerSettings>;

/** Weights to start from, by released name; called once for each parameter. */
export type ParameterSource = (name: string, shape: readonly number[]) => Promise<Float32Array>;
