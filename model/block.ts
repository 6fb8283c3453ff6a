import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { attention } from "../kernels/attention.ts";
import { lastFrame } from "../kernels/last_frame.ts";
import type { Norm } from "../kernels/layer_norm.ts";
import { linear, type LinearWeights } from "../kernels/linear.ts";
import { qkv } from "../kernels/qkv.ts";
import type { FarSizes } from "./config.ts";
import type { Loader } from "./loader.ts";

/** Projections of one kind of tokens: the window's (`to_q` ...) or the long-term context's. */
export interface AttentionWeights {
  /** q, k and v joined: d -> 3 d. */
  readonly qkv: LinearWeights;
  /** Weights of the norms of q and k, [2, 64]. */
  readonly norms: Tensor;
  /** Absent for context tokens of the last block. */
  readonly out: LinearWeights | undefined;
}

/** Weights of one block; keys are the checkpoint's. Source: released `FARTransformerBlock`. */
export function loadBlock(l: Loader, sizes: FarSizes, last: boolean) {
  const { d, contextPatch } = sizes;
  const attn = l.at("attn");
  const window: AttentionWeights = {
    qkv: attn.linear(["to_q", "to_k", "to_v"], [d, d]),
    norms: attn.vectors("norms", ["norm_q.weight", "norm_k.weight"], 64),
    out: attn.linear("to_out.0", [d, d]),
  };
  const context: AttentionWeights | undefined = contextPatch === undefined ? undefined : {
    qkv: attn.linear(["add_q_proj", "add_k_proj", "add_v_proj"], [d, d]),
    norms: attn.vectors("added norms", ["norm_added_q.weight", "norm_added_k.weight"], 64),
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

/** Inputs that all blocks of one pass share. */
export interface PassContext {
  readonly kind: "window" | "context";
  /** [B, F] of `Frame`. */
  readonly frames: Tensor;
  /** [B, 1] of `Frame`: only the last frame of each video. */
  readonly lastFrame: Tensor;
  readonly step: DeviceBuffer;
  readonly rope: Tensor;
  /** Where the pass's time angles start in `rope`, in vec4s. */
  readonly ropeTime: number;
  /** Tokens per row of a frame, and the scale of row and column positions. */
  readonly columns: number;
  readonly spread: number;
  /** First cache slot of the window, and keys per frame of either region. */
  readonly windowSlot: number;
  readonly contextTokens: number;
  readonly windowTokens: number;
}

/** What a block reads besides its weights and the residual stream. */
export interface BlockInput {
  /** [R, 6 d]: modulation by row. */
  readonly table: Tensor;
  readonly cache: LayerCache;
  readonly sizes: FarSizes;
  readonly pass: PassContext;
  /** Which results are needed; for keys and values only, a block ends before its attention. */
  readonly wanted: Wanted;
}

export type Wanted = "all frames" | "last frame" | "keys and values";

/** Offsets of one half's shift, scale and gate in a row of the table. */
export interface Modulated {
  readonly table: Tensor;
  readonly shift: number;
  readonly scale: number;
  readonly gate: number;
}

/** The two halves of a block's table [R, 6 d]: attention's, then the mlp's. */
export function modulationOf(table: Tensor, d: number): readonly [Modulated, Modulated] {
  return [
    { table, shift: 0, scale: d, gate: 2 * d },
    { table, shift: 3 * d, scale: 4 * d, gate: 5 * d },
  ];
}

/**
 * One transformer block, with shift, scale and gate by frame and half:
 *
 *     x = x + gate * attn((1 + scale) * LN(x) + shift)
 *     x = x + gate * mlp((1 + scale) * LN(x) + shift)
 *
 * Keys and values of the pass's frames go into the cache, which attention reads.
 * @param x [B, F, T, d] f32, updated in place
 * @returns x, or a new [B, 1, T, d] if only the last frame is wanted Source: released
 * `FARTransformerBlock`.
 */
export function block(p: Program, w: BlockWeights, x: Tensor, input: BlockInput): Tensor {
  const { table, sizes, pass, wanted } = input;
  const [attn, mlp] = modulationOf(table, sizes.d);
  const [tokens, { out }] = [x.shape[2]!, w[pass.kind]!];
  const q = project(p, w, x, input);
  if (wanted === "keys and values") return x;
  if (!out) throw new TypeError("Cannot run the last block on context: only its keys are needed");

  const only = wanted === "last frame";
  const y = only ? lastFrame(p, x) : x;
  const frames = only ? pass.lastFrame : pass.frames;
  const plus = (half: Modulated) => ({ y, gate: gated(half, frames, tokens) });
  p.scope(() => {
    const seen = attend(p, only ? lastFrame(p, q) : q, frames, input);
    linear(p, out, seen, { into: plus(attn), label: "attention out" });
  });
  p.scope(() => {
    const norm = normed(mlp, frames, tokens);
    const hidden = linear(p, w.mlp.proj, y, { norm, output: "gelu", label: "mlp in" });
    linear(p, w.mlp.out, hidden, { into: plus(mlp), label: "mlp out" });
  });
  return y;
}

/** (1 + scale) * LN(x) + shift. */
function normed({ table, shift, scale }: Modulated, frames: Tensor, tokens: number): Norm {
  return { table, frames, tokens, shift, scale };
}

/** gate * y. */
function gated({ table, gate: offset }: Modulated, frames: Tensor, tokens: number) {
  return { table, frames, tokens, offset };
}

/** Stores the keys and values of x [B, F, T, d]. @returns queries [B, F, T, d] */
function project(p: Program, w: BlockWeights, x: Tensor, input: BlockInput): Tensor {
  const { table, cache, sizes: { d, heads, axes }, pass } = input;
  const { kind, frames, columns, spread, rope, ropeTime: time } = pass;
  const weights = w[kind]!;
  const norm = normed(modulationOf(table, d)[0], frames, x.shape[2]!);
  const places = { columns, spread, rope, time, frames };
  return qkv(p, weights.qkv, x, { norm, heads, axes, norms: weights.norms, ...places, ...cache });
}

/** Attention of the queries of these frames over the cache. */
function attend(p: Program, q: Tensor, frames: Tensor, { cache, sizes, pass }: BlockInput): Tensor {
  const { heads, slope } = sizes;
  const { step, windowSlot: window, contextTokens, windowTokens } = pass;
  const keys = { frames, step, window, contextTokens, windowTokens, ...cache };
  return attention(p, q, { heads, slope, ...keys });
}
