import code from "./qk_norm_rope.wgsl" with { type: "text" };
import textureCode from "./qk_norm_rope_texture.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const QK_NORM_ROPE = memoryForms("qk_norm_rope", code, []);
const QK_NORM_ROPE_TEXTURE = memoryForms("qk_norm_rope_texture", textureCode, ["qkv"]);
/** Heads of tokens per workgroup: by eight lanes each, or with caches in textures by one. */
const BY_EIGHT = 8;
const BY_ONE = 64;

/** Where a pass's keys and values are stored, and the positions of its tokens. */
export interface RopeOptions {
  readonly heads: number;
  /** Weights of the per-head RMS norms of q and k, [2, 64]. */
  readonly norms: Tensor;
  /** [B, F] of `Frame`: slot. */
  readonly frames: Tensor;
  /** Angles as (cos, sin) pairs: [positions, rows and columns], then [F, time] of the pass. */
  readonly rope: Tensor;
  /** Start of the time part in `rope`, in vec4s. */
  readonly time: number;
  /** Head dims rotated by frame, row and column; multiples of 4, 64 in all. */
  readonly axes: readonly [number, number, number];
  /** Tokens per row of a frame, and the scale of row and column positions. */
  readonly columns: number;
  readonly spread: number;
  /** Caches [B, heads, slots, 64], f32 or f16. */
  readonly k: Tensor;
  readonly v: Tensor;
}

/** What kernels are told of caches and positions, `frames` being those per video. */
export function ropeParams(
  { heads, axes, columns, spread, time, k }: RopeOptions,
  frames: number,
): Record<string, number> {
  return {
    heads,
    frames,
    columns,
    spread,
    slots: k.shape[2]!,
    time_pairs: axes[0] / 4,
    row_pairs: axes[1] / 4,
    time,
  };
}

/**
 * Throws unless caches are for these videos and heads of 64.
 * @param outputs width of qkv
 * @throws {ShapeError}
 */
export function expectHeads(outputs: number, batch: number, { heads, k }: RopeOptions): void {
  if (outputs === 3 * heads * 64 && k.shape[1] === heads && k.shape[0] === batch) return;
  const cache = `a cache of ${k.shape[1]} heads and ${k.shape[0]} videos`;
  throw new ShapeError(
    `Cannot split qkv of ${batch} videos and ${outputs} outputs into ${heads} heads of 64 for ${cache}`,
  );
}

/**
 * Normalises, rotates and stores: q [B, F, T, d] (scaled by 1/8) is returned, k and v are cached.
 * @param qkv [B, F, T, 3 d] f32
 * @throws {ShapeError} Source: released class `FARAttnProcessor`; positions are absolute, so the
 * cache is rotated once.
 */
export function qkNormRope(p: Program, qkv: Tensor, options: RopeOptions): Tensor {
  const { heads, norms, frames, rope, k, v } = options;
  const [batch, count, tokens, width] = qkv.shape as [number, number, number, number];
  expectHeads(width, batch, options);
  const m = batch * count * tokens;
  const texture = k.buffer.kind === "texture";
  const q = p.scratch([batch, count, tokens, heads * 64]);
  dispatchForm(p, texture ? QK_NORM_ROPE_TEXTURE : QK_NORM_ROPE, {
    constants: { F16: Number(k.dtype === "f16") },
    params: { m, tokens, ...ropeParams(options, count) },
    buffers: { qkv, norms, frames, rope, q, k, v },
    groups: [Math.ceil(m * heads / (texture ? BY_ONE : BY_EIGHT)), 3, 1],
  });
  return q;
}
