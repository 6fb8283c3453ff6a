import code from "./batch_norm.wgsl" with { type: "text" };
import backwardCode from "./batch_norm_backward.wgsl" with { type: "text" };
import statisticsCode from "./batch_statistics.wgsl" with { type: "text" };
import sumsCode from "./batch_sums.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import type { NormWeights } from "./channel_norm.ts";
import { clear } from "./clear.ts";
import { addSums, SUM_CHUNK } from "./column_sums.ts";
import { eachLane } from "./lanes.ts";
import { type NormSums, normSums } from "./norm_sums.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const BATCH_NORM = memoryForms("batch_norm", code, ["x", "residual", "y"]);
const BATCH_NORM_BACKWARD = memoryForms("batch_norm_backward", backwardCode, ["x", "dy", "dx"]);
const BATCH_STATISTICS = memoryForms("batch_statistics", statisticsCode, ["x"]);
const BATCH_SUMS = memoryForms("batch_sums", sumsCode, ["x"]);
const EPS = 1e-5;
const MOMENTUM = 0.1;
/** Pixels of a lane that applies a norm. */
const PIXELS_A_LANE = 16;

/** Weights of a batch norm and its running statistics, [C] each. */
export interface BatchNormWeights extends NormWeights {
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
}

/**
 * Which statistics: the batch's, updating the running ones; the batch's, recomputed without
 * updating; or the running ones.
 */
export type BatchNormMode = "training" | "again" | "running";

/**
 * y = batch norm of x, plus residual if there is one, with the statistics of this batch, towards
 * which the running ones move by a tenth; or with the running ones.
 * @param x [B, H, W, C] f32, C a multiple of 4, as are residual and y
 * @param leak factor of what is negative in the result: that of a leaky ReLU, or 1
 * @returns [2, C]: means and inverse deviations, for the backward pass
 * @throws {ShapeError}
 * Source: torch.nn.BatchNorm2d.
 */
export function batchNorm(
  p: Program,
  w: BatchNormWeights,
  { x, residual, y }: Readonly<Record<"x" | "y", Tensor>> & { readonly residual?: Tensor },
  mode: BatchNormMode,
  leak = 1,
): Tensor {
  if (residual) expectShape("batch_norm residual", residual, x.shape);
  expectShape("batch_norm y", y, x.shape);
  const channels = x.shape.at(-1)! / 4;
  const stats = p.scratch([2, 4 * channels]);
  const pixels = size(x.shape) / 4 / channels;
  statistics(p, w, { x, stats }, pixels, mode);
  const { weight, bias } = w;
  const { count, params } = perChannel(pixels, channels);
  eachLane(p, BATCH_NORM, count, {
    constants: { ADDS: Number(residual !== undefined), LEAK: leak },
    params,
    buffers: { x, stats, weight, bias, residual: residual ?? x, y },
  });
  return stats;
}

/** Lanes, and their parameters, that each compute four channels of several pixels. */
function perChannel(pixels: number, channels: number) {
  const strides = Math.ceil(pixels / PIXELS_A_LANE);
  return { count: strides * channels, params: { channels, pixels, strides } };
}

function statistics(
  p: Program,
  { runningMean, runningVar }: BatchNormWeights,
  { x, stats }: Readonly<Record<"x" | "stats", Tensor>>,
  pixels: number,
  mode: BatchNormMode,
): void {
  const channels = x.shape.at(-1)! / 4;
  const chunks = Math.ceil(pixels / SUM_CHUNK);
  const training = mode !== "running";
  const momentum = mode === "training" ? MOMENTUM : 0;
  p.scope(() => {
    const partial = p.scratch([chunks, 2, 4 * channels]);
    if (training) {
      dispatchForm(p, BATCH_SUMS, {
        params: { pixels, channels, chunk: SUM_CHUNK },
        buffers: { x, partial },
        groups: [Math.ceil(channels / 8), chunks, 1],
      });
    }
    dispatchForm(p, BATCH_STATISTICS, {
      constants: { TRAINING: Number(training) },
      params: { pixels, channels, chunks, momentum, eps: EPS },
      buffers: { x, partial, running_mean: runningMean, running_var: runningVar, stats },
      groups: [Math.ceil(channels / 8), 1, 1],
    });
  });
}

/**
 * Gradients of `batchNorm` while training: dx, and sums for those of weight and bias.
 * @param dx of x's shape, overwritten
 */
export function batchNormBackward(
  p: Program,
  { weight }: Pick<NormWeights, "weight">,
  { x, dy, dx, stats }: Readonly<Record<"x" | "dy" | "dx" | "stats", Tensor>>,
): NormSums {
  const channels = x.shape.at(-1)!;
  const pixels = size(x.shape) / channels;
  const partial = normSums(p, { x, dy, stats }, "channel");
  const sums = p.scratch([2, channels]);
  clear(p, sums, 0, 2 * channels);
  const shape = partial.weight.shape as [number, number];
  addSums(p, partial.weight, shape, { tensor: sums, first: 0 });
  addSums(p, partial.bias, shape, { tensor: sums, first: channels });
  const { count, params } = perChannel(pixels, channels / 4);
  eachLane(p, BATCH_NORM_BACKWARD, count, {
    params,
    buffers: { x, dy, stats, sums, weight, dx },
  });
  return partial;
}
