import assert from "node:assert/strict";
import { parseTransformerConfig } from "../../model/config.ts";
import { CpuGenerator } from "../../run/noise.ts";
import { listParameters } from "../../train/parameters.ts";
import {
  type ParameterSource,
  RELEASED_SETTINGS,
  type TrainBatch,
  Trainer,
} from "../../train/trainer.ts";
import { type PlainWeights, velocityReference } from "../reference/far.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/**
 * A board of 2 by 2 squares, a dot on one of the upper two. Actions: stay, go across.
 * Only the history and the action reveal where the dot is: a noised board hardly shows it.
 */
const SIDE = 2;
const SQUARES = SIDE * SIDE;
const AMPLITUDE = 3;

/**
 * The loss is that of the second of two frames; mostly the first one is clean. Frames that have
 * nothing before them would teach this small model to look at nothing else, in PyTorch too.
 */
const CONFIG = parseTransformerConfig({
  _class_name: "FAR",
  attention_head_dim: 64,
  axes_dims_rope: [16, 24, 24],
  condition_cfg: { type: "action", num_action_classes: 2 },
  in_channels: 1,
  num_attention_heads: 1,
  num_layers: 1,
  out_channels: 1,
  patch_size: 2,
  short_term_ctx_winsize: 1,
  slope_scale: 0,
});
const FRAMES = 2;
const VIDEOS = 128;
const STEPS = 150;

function picks(count: number, seed: number): Int32Array {
  return Int32Array.from(randomFloats(count, seed), (value) => value < 0 ? 0 : 1);
}

/** To go across is action 1. */
function boards(videos: number, seed: number): TrainBatch {
  const classes = picks(videos * FRAMES, 2 * seed);
  const starts = picks(videos, 2 * seed + 1);
  const latents = new Float32Array(videos * FRAMES * SQUARES).fill(-AMPLITUDE);
  for (let video = 0; video < videos; video++) {
    let square = starts[video]!;
    for (let frame = 0; frame < FRAMES; frame++) {
      const at = video * FRAMES + frame;
      if (frame > 0) square ^= classes[at]!;
      latents[at * SQUARES + square] = AMPLITUDE;
    }
  }
  return { videos, frames: FRAMES, latents, classes };
}

/** The last frame, drawn by eight Euler steps from noise after the one before it. */
function predict(
  weights: PlainWeights,
  before: Float32Array,
  action: number,
  noise: Float32Array,
): Float32Array {
  const steps = 8;
  const frame = Float32Array.from(noise);
  for (let i = 0; i < steps; i++) {
    const input = { height: SIDE, width: SIDE, timestep: 1000 * (1 - i / steps) };
    const frames = [before, frame];
    const v = velocityReference(weights, CONFIG, { ...input, frames, classes: [0, action] });
    for (const [j, value] of v.entries()) frame[j]! -= value / steps;
  }
  return frame;
}

function meanSquare(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}

/**
 * The released initialisation, but for what starts as zero or almost: actions act from the first
 * step on, which saves this small model many steps.
 */
const INITIAL: ParameterSource = (name, shape) => Promise.resolve(initial(name, shape));

function initial(name: string, shape: readonly number[]): Float32Array {
  const [outputs, inputs = 0] = shape as [number, number];
  const count = shape.reduce((a, b) => a * b, 1);
  const seed = 1 + listParameters(CONFIG).findIndex((parameter) => parameter.name === name);
  if (name.endsWith("embedding_table.weight")) return randomFloats(count, seed, 1.7);
  const near = /(norm[12]\.linear|norm_out\.linear|proj_out|embedder\.linear_[12])\.weight$/;
  if (near.test(name)) return randomFloats(count, seed, Math.sqrt(6 / (inputs + outputs)));
  if (/norm_[qk]/.test(name)) return new Float32Array(count).fill(1);
  const zero = new Float32Array(count);
  if (name.endsWith(".bias")) {
    return /norm[12]\.linear/.test(name) ? zero.fill(1, 2 * CONFIG.d) : zero;
  }
  const bound = Math.sqrt(6 / (inputs + outputs));
  return new CpuGenerator(seed).rand(count).map((value) => bound * (2 * value - 1));
}

Deno.test({ name: "Trainer learns what actions do in a toy world", ...GPU_TEST }, async () => {
  const trainer = await Trainer.open(await testGpu(), {
    ...RELEASED_SETTINGS,
    config: CONFIG,
    height: SIDE,
    width: SIDE,
    batch: VIDEOS,
    frames: FRAMES,
    trainingType: "base",
    cleanContext: 0.8,
    weighting: "uniform",
    lr: 3e-3,
    ema: undefined,
    steps: STEPS,
  }, INITIAL);
  for (let step = 0; step < STEPS; step++) await trainer.submit(boards(VIDEOS, step + 100));
  await trainer.flush();
  const weights = await trainer.parameters("live");
  trainer.close();

  const videos = 32;
  const { latents, classes } = boards(videos, 1);
  const errors = { action: 0, other: 0, copy: 0 };
  for (let video = 0; video < videos; video++) {
    const at = (video + 1) * FRAMES - 1;
    const frame = (i: number) =>
      latents.slice(i * SQUARES, (i + 1) * SQUARES).map((value) => value * 0.2889);
    const [before, after] = [frame(at - 1), frame(at)];
    const noise = randomFloats(SQUARES, video + 1, 1.7);
    const action = classes![at]!;
    errors.action += meanSquare(predict(weights, before, action, noise), after) / videos;
    errors.other += meanSquare(predict(weights, before, action ^ 1, noise), after) / videos;
    errors.copy += meanSquare(before, after) / videos;
  }
  assert.ok(errors.action < errors.copy / 2, JSON.stringify(errors));
  assert.ok(errors.action < errors.other / 2, JSON.stringify(errors));
});
