import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { attention } from "../kernels/attention.ts";
import { linear, type LinearWeights } from "../kernels/linear.ts";
import { qkNormRope } from "../kernels/qk_norm_rope.ts";
import type { FarSizes } from "./config.ts";
import type { Loader } from "./loader.ts";

/** Projections of one kind of tokens: the window's (`to_q` ...) or the long-term context's. */
export interface AttentionWeights {
  /** q, k and v joined: d -> 3 d. */
  readonly qkv: LinearWeights;
  readonly normQ: Tensor;
  readonly normK: Tensor;
  /** Absent for the context tokens of the last block. */
  readonly out: LinearWeights | undefined;
}

/** Weights of one block; keys are the checkpoint's. Source: released `FARTransformerBlock`. */
export function loadBlock(l: Loader, sizes: FarSizes, last: boolean) {
  const { d, contextPatch } = sizes;
  const attn = l.at("attn");
  const window: AttentionWeights = {
    qkv: attn.linear(["to_q", "to_k", "to_v"], [d, d]),
    normQ: attn.vector("norm_q.weight", 64),
    normK: attn.vector("norm_k.weight", 64),
    out: attn.linear("to_out.0", [d, d]),
  };
  const context: AttentionWeights | undefined = contextPatch === undefined ? undefined : {
    qkv: attn.linear(["add_q_proj", "add_k_proj", "add_v_proj"], [d, d]),
    normQ: attn.vector("norm_added_q.weight", 64),
    normK: attn.vector("norm_added_k.weight", 64),
    out: last ? undefined : attn.linear("to_add_out", [d, d]),
  };
  return {
    window,
    context,
    /** Both halves' adaLN projections, joined: [shift, scale, gate] of attention, then of the mlp. */
    modulation: l.linear(["norm1.linear", "norm2.linear"], [3 * d, d]),
    mlp: {
      proj: l.linear("mlp.net.0.proj", [4 * d, d]),
      out: l.linear("mlp.net.2", [d, 4 * d]),
    },
  };
}

export type BlockWeights = ReturnType<typeof loadBlock>;

/** One layer's keys and values, [B, H, slots, 64] each. */
export interface LayerCache {
  readonly k: Tensor;
  readonly v: Tensor;
}

/** What the blocks of one pass share. */
export interface PassContext {
  readonly kind: "window" | "context";
  /** [B, F, 4] u32: modulation row, frame index, first cache slot, visible keys. */
  readonly frames: Tensor;
  /** [B, 1, 4] u32: the last frame of each video alone. */
  readonly lastFrame: Tensor;
  readonly step: DeviceBuffer;
  readonly rope: Tensor;
  /** Where the pass's time angles start in `rope`, in vec4s. */
  readonly ropeTime: number;
  /** Tokens per row of a frame, and the factor of row and column positions. */
  readonly columns: number;
  readonly spread: number;
  /** First cache slot of the window, and keys per frame of either region. */
  readonly windowSlot: number;
  readonly contextTokens: number;
  readonly windowTokens: number;
}

/**
 * The first half of attn(LN(x) (1 + scale1) + shift1): keys and values of the pass's tokens go into
 * the cache.
 * @param x [B, F, T, d] f32
 * @param table [R, 6 d]: modulation by row
 * @returns queries [B, F, T, d]
 */
export function project(
  p: Program,
  w: BlockWeights,
  x: Tensor,
  table: Tensor,
  cache: LayerCache,
  { d, heads, axes }: FarSizes,
  { kind, frames, columns, spread, rope, ropeTime }: PassContext,
): Tensor {
  const { qkv, normQ, normK } = w[kind]!;
  const norm = { table, frames, tokens: x.shape[2]!, shift: 0, scale: d };
  const places = { columns, spread, rope, time: ropeTime, frames };
  return p.scope(() => {
    const projected = linear(p, qkv, x, { norm, label: "qkv" });
    return qkNormRope(p, projected, { heads, axes, normQ, normK, ...places, ...cache });
  });
}

/**
 * The rest: x += gate1 * attn(...), x += gate2 * mlp(LN(x) (1 + scale2) + shift2). Attention reads
 * the cache.
 * @param x [B, F, T, d] f32, updated in place
 * @param q its queries
 */
export function mix(
  p: Program,
  w: BlockWeights,
  x: Tensor,
  q: Tensor,
  table: Tensor,
  cache: LayerCache,
  { d, heads, slope }: FarSizes,
  pass: PassContext,
): void {
  const { frames, step, windowSlot: window, contextTokens, windowTokens } = pass;
  const { out } = w[pass.kind]!;
  if (!out) throw new TypeError("Cannot run the last block on context: it ends with its keys");
  const modulation = { table, frames, tokens: x.shape[2]! };
  p.scope(() => {
    const keys = { frames, step, window, contextTokens, windowTokens, ...cache };
    const y = attention(p, q, { heads, slope, ...keys });
    const gate = { ...modulation, offset: 2 * d };
    linear(p, out, y, { into: { y: x, gate }, label: "attention out" });
  });
  p.scope(() => {
    const norm = { ...modulation, shift: 3 * d, scale: 4 * d };
    const hidden = linear(p, w.mlp.proj, x, { norm, output: "gelu", label: "mlp in" });
    const gate = { ...modulation, offset: 5 * d };
    linear(p, w.mlp.out, hidden, { into: { y: x, gate }, label: "mlp out" });
  });
}
