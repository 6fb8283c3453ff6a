import type { FarSizes } from "../model/config.ts";
import type { Rounding } from "../model/embeddings.ts";
import { EVEN, type NoiseSchedule } from "../model/scheduler.ts";
import type { DistillSettings } from "./distill/settings.ts";
import type { GeneratorState } from "../run/noise.ts";

/** Clips of one step, as a data set gives them. */
export interface TrainBatch {
  readonly videos: number;
  /** Frames per video; long-context training uses a random part of them. */
  readonly frames: number;
  /** [videos, frames, C, h, w]: the encoder's output, without the scaling factor. */
  readonly latents: Float32Array;
  /** Actions [videos, frames] or labels [videos]; absent for a model without classes. */
  readonly classes?: Int32Array;
}

/** Result of one optimiser step. */
export interface StepResult {
  /** Number of the step, from 1. */
  readonly step: number;
  /** Mean of the videos' masked squared errors. */
  readonly loss: number;
  /** Norm of all gradients, before clipping. */
  readonly gradNorm: number;
  /** Learning rate of the step. */
  readonly lr: number;
  /** Frames per video of this step; random in long-context training. */
  readonly frames: number;
  /** Tokens of all videos. */
  readonly tokens: number;
  /** False if loss or gradients were not finite, so that the weights were not changed. */
  readonly finite: boolean;
  /** Where an autoencoder is trained against a discriminator: minus its mean logit, as weighed. */
  readonly generatorLoss?: number;
  /** And the discriminator's own loss. */
  readonly discriminatorLoss?: number;
}

export type { GeneratorState };

/** State of every generator that a step draws from. */
export interface RandomState {
  /** PyTorch's CPU generator. */
  readonly torch: GeneratorState;
  /** Python's `random`. */
  readonly python: GeneratorState;
}

/** Everything a run needs to continue bit for bit. Maps have the released names and shapes. */
export interface TrainState {
  /** Optimiser steps done. */
  readonly step: number;
  readonly parameters: Map<string, Float32Array>;
  readonly expAvg: Map<string, Float32Array>;
  readonly expAvgSq: Map<string, Float32Array>;
  /** Absent if no average is kept. */
  readonly ema: Map<string, Float32Array> | undefined;
  readonly random: RandomState;
  /** Only when training in f16. */
  readonly lossScale?: LossScaleState;
  /** Only of an autoencoder that has one. */
  readonly discriminator?: DiscriminatorState;
}

/** A discriminator and its optimiser, in released names and shapes. */
export interface DiscriminatorState
  extends Pick<TrainState, "step" | "parameters" | "expAvg" | "expAvgSq"> {
  /** Shapes in the order of its modules. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** Dynamic loss scaling: doubled after many good steps in a row, halved at an overflow. */
export interface LossScaleState {
  readonly scale: number;
  readonly goodSteps: number;
  /** The last result, which the next step does not know yet. */
  readonly last?: ScaledStep;
}

/** How a step with scaled gradients went. */
export interface ScaledStep {
  readonly step: number;
  readonly scale: number;
  readonly finite: boolean;
}

/** Low-rank adapters on frozen weights: W + scale B A, scale = alpha / rank. */
export interface LoraSettings {
  /** Columns of B and rows of A, a multiple of 4. */
  readonly rank: number;
  /** Ends of layer names, as in peft: `to_q`, `to_out.0`, `mlp.net.2` ... */
  readonly targets: readonly string[];
  /** Default: the rank. */
  readonly alpha?: number;
}

/** What determines the optimiser steps of any model's training. */
export interface StepSettings {
  /** Size of the latents, or of an autoencoder's pictures. */
  readonly height: number;
  /** As `height`. */
  readonly width: number;
  /** Videos per batch. */
  readonly batch: number;
  /** Frames per video in a batch. */
  readonly frames: number;
  /** Peak learning rate. */
  readonly lr: number;
  /** Decay of AdamW's two moments. */
  readonly betas: readonly [number, number];
  /** Weight decay of AdamW. */
  readonly weightDecay: number;
  /** Term added to the root of the second moment. */
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
  /** Seed of all draws. */
  readonly seed: number;
  /** Batches per optimiser step: equals one batch that many times larger. */
  readonly accumulate: number;
  /** Videos, or pictures, that the device computes at once (chosen by memory). */
  readonly microBatch?: number;
  /** Recompute blocks in the backward pass; "auto": if memory is short. */
  readonly recompute?: boolean | "auto";
  /** Patterns (`*` matches anything) of names that are not trained. */
  readonly freeze?: readonly string[];
}

/** Everything that determines what a run computes. Defaults are in `RELEASED_SETTINGS`. */
export interface TrainerSettings extends StepSettings {
  /** Sizes of the transformer. */
  readonly config: FarSizes;
  /** "long_context" draws the number of frames per step. */
  readonly trainingType: "base" | "long_context";
  /** Share of window frames given clean; undefined: none. */
  readonly cleanContext: number | undefined;
  /** How timesteps are drawn. */
  readonly weighting: "logit_normal" | "uniform";
  /** Share of labels or actions replaced by the null class. */
  readonly conditionDropout: number;
  /** Arithmetic of weights and activations. */
  readonly dtype: "f32" | "f16";
  /** Adapters to train instead of the weights. */
  readonly lora?: LoraSettings;
  /** Learns to take few steps from the model itself. */
  readonly distill?: DistillSettings;
  /** "bf16" rounds frame positions as the released runs did. */
  readonly positions: Rounding;
  /** "bf16" rounds timesteps as the released runs did. */
  readonly timesteps: Rounding;
  /** How noise levels are spaced, which decides those that are drawn. */
  readonly noise: NoiseSchedule;
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
  noise: EVEN,
  scalingFactor: 0.2889,
} as const satisfies Partial<TrainerSettings>;

/** Weights to start from, by released name; called once for each parameter. */
export type ParameterSource = (name: string, shape: readonly number[]) => Promise<Float32Array>;
