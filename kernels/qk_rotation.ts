import backwardCode from "./qk_rotation_backward.wgsl" with { type: "text" };
import code from "./qk_rotation.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { addSums, type Place } from "./column_sums.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";

const QK_ROTATION = joinKernel("qk_rotation", code);
const QK_ROTATION_BACKWARD = joinKernel("qk_rotation_backward", backwardCode);
/** Rows of a head per lane of the backward pass. */
const ITEMS = 16;

/** Rows of one kind of tokens, and their positions. */
export interface RotationOptions {
  readonly heads: number;
  /** First row, and number of rows. */
  readonly first: number;
  readonly rows: number;
  /** Tokens per frame, frames per video, and the position of a video's first one. */
  readonly tokens: number;
  readonly frames: number;
  readonly firstFrame: number;
  /** Tokens per row of a frame, and the scale of row and column positions. */
  readonly columns: number;
  readonly spread: number;
  /** Head dims rotated by frame, row and column; multiples of 4, 64 in all. */
  readonly axes: readonly [number, number, number];
  /** Angles as (cos, sin) pairs: [positions, rows and columns], then [frames, time]. */
  readonly rope: Tensor;
  /** Start of the time part in `rope`, in vec4s. */
  readonly time: number;
  /** Weights of the per-head RMS norms, 64 each. */
  readonly normQ: Place;
  readonly normK: Place;
}

function params(o: RotationOptions): Record<string, number> {
  return {
    rows: o.rows,
    first: o.first,
    heads: o.heads,
    tokens: o.tokens,
    frames: o.frames,
    first_frame: o.firstFrame,
    columns: o.columns,
    spread: o.spread,
    time_pairs: o.axes[0] / 4,
    row_pairs: o.axes[1] / 4,
    time: o.time,
    q_weight: o.normQ.first / 4,
    k_weight: o.normK.first / 4,
  };
}

/**
 * Queries and keys, RMS-normalised per head (eps 1e-6) and rotated.
 * @param qkv [R, 3 d] f32
 * @param qk result, [R, 2 d] f32
 */
export function qkRotation(p: Program, qkv: Tensor, qk: Tensor, options: RotationOptions): void {
  const { rows, heads, normQ, normK, rope } = options;
  if (rows === 0) return;
  p.dispatch({
    kernel: QK_ROTATION,
    params: params(options),
    buffers: { qkv, q_weights: normQ.tensor, k_weights: normK.tensor, rope, qk },
    groups: grid(rows * heads * 2, 64),
  });
}

/** Floats of each scratch that `qkRotationBackward` needs. */
export function rotationScratch(rows: number, heads: number): number {
  return Math.ceil(rows / ITEMS) * heads * 64;
}

/** Targets of gradients, and scratch for the norms' first pass. */
export interface RotationGradients {
  /** [R, 3 d]: gradients of rotated queries and keys, which become those of qkv. */
  readonly dqkv: Tensor;
  /** Added to; absent if not needed. */
  readonly normQ: Place | undefined;
  readonly normK: Place | undefined;
  readonly partialQ: Tensor;
  readonly partialK: Tensor;
}

/** Gradients of `qkRotation`, in place, and of the norms' weights. */
export function qkRotationBackward(
  p: Program,
  qkv: Tensor,
  { dqkv, normQ, normK, partialQ, partialK }: RotationGradients,
  options: RotationOptions,
): void {
  const { rows, heads, rope } = options;
  if (rows === 0) return;
  const chunks = Math.ceil(rows / ITEMS) * heads;
  p.dispatch({
    kernel: QK_ROTATION_BACKWARD,
    params: params(options),
    buffers: {
      qkv,
      q_weights: options.normQ.tensor,
      k_weights: options.normK.tensor,
      rope,
      dqkv,
      q_partial: partialQ,
      k_partial: partialK,
    },
    groups: grid(chunks * 2, 8),
  });
  if (normQ) addSums(p, partialQ, [chunks, 64], normQ);
  if (normK) addSums(p, partialK, [chunks, 64], normK);
}
