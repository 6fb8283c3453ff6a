import normCode from "./qk_norm_gradient.wgsl" with { type: "text" };
import backwardCode from "./qk_rotation_backward.wgsl" with { type: "text" };
import code from "./qk_rotation.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { addSums, type Place } from "./column_sums.ts";
import { grid } from "./grid.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const READ = ["qkv", "q_weights", "k_weights", "rope"];
const ROTATION = memoryForms("qk_rotation", code, [...READ, "qk"]);
const WRITTEN = ["dqk", "dqkv"];
const ROTATION_BACKWARD = memoryForms("qk_rotation_backward", backwardCode, [...READ, ...WRITTEN]);
const NORM_GRADIENT = memoryForms("qk_norm_gradient", normCode, ["qkv", "rope", "dqk"]);
/** Rows of a head per workgroup of the norms' gradient. */
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

function params(
  { firstFrame, axes, normQ, normK, rope: _, ...same }: RotationOptions,
): Record<string, number> {
  return {
    ...same,
    first_frame: firstFrame,
    ...{ time_pairs: axes[0] / 4, row_pairs: axes[1] / 4 },
    ...{ q_weight: normQ.first / 4, k_weight: normK.first / 4 },
  };
}

function inputs({ normQ, normK, rope }: RotationOptions): Record<string, Tensor> {
  return { q_weights: normQ.tensor, k_weights: normK.tensor, rope };
}

/**
 * Queries and keys, RMS-normalised per head (eps 1e-6) and rotated.
 * @param qkv [R, 3 d] f32
 * @param qk result, [R, 2 d] f32
 */
export function qkRotation(p: Program, qkv: Tensor, qk: Tensor, options: RotationOptions): void {
  const { rows, heads } = options;
  if (rows === 0) return;
  dispatchForm(p, ROTATION, {
    params: params(options),
    buffers: { qkv, ...inputs(options), qk },
    groups: grid(rows * heads * 2, 64),
  });
}

/** Floats of each scratch that `qkRotationBackward` needs. */
export function rotationScratch(rows: number, heads: number): number {
  return Math.ceil(rows / ITEMS) * heads * 64;
}

/** Targets of gradients, and scratch for the norms' first pass. */
export interface RotationGradients {
  /** [R, 2 d]: gradients of rotated queries and keys. */
  readonly dqk: Tensor;
  /** [R, 3 d], of which those of queries and keys are written. */
  readonly dqkv: Tensor;
  /** Added to; absent if not needed. */
  readonly normQ: Place | undefined;
  readonly normK: Place | undefined;
  readonly partialQ: Tensor;
  readonly partialK: Tensor;
}

/** Gradients of `qkRotation`, and of the norms' weights. */
export function qkRotationBackward(
  p: Program,
  qkv: Tensor,
  { dqk, dqkv, normQ, normK, partialQ, partialK }: RotationGradients,
  options: RotationOptions,
): void {
  const { rows, heads } = options;
  if (rows === 0) return;
  dispatchForm(p, ROTATION_BACKWARD, {
    params: params(options),
    buffers: { qkv, ...inputs(options), dqk, dqkv },
    groups: grid(rows * heads * 2, 64),
  });
  if (!normQ && !normK) return;
  const chunks = Math.ceil(rows / ITEMS) * heads;
  dispatchForm(p, NORM_GRADIENT, {
    params: params(options),
    buffers: { qkv, rope: options.rope, dqk, q_partial: partialQ, k_partial: partialK },
    groups: grid(chunks * 2, 1),
  });
  if (normQ) addSums(p, partialQ, [chunks, 64], normQ);
  if (normK) addSums(p, partialK, [chunks, 64], normK);
}
