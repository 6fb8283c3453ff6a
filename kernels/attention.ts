import code from "./attention.wgsl" with { type: "text" };
import shuffleCode from "./attention_shuffle.wgsl" with { type: "text" };
import broadcastCode from "./attention_broadcast.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { type AttentionTuning, attentionTuning, exchangesHeads } from "../gpu/tuning.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";
import { mergeAttention } from "./merge_attention.ts";

const ATTENTION = memoryForms("attention", code, []);
const ATTENTION_SHUFFLE = memoryForms("attention_shuffle", shuffleCode, []);
const ATTENTION_BROADCAST = memoryForms("attention_broadcast", broadcastCode, ["out"]);

/** Queries per workgroup of the broadcasting form, and of the others. */
const BROADCAST_QUERIES = 32;
const LANES_QUERIES = 16;
/** Most parts of the keys among workgroups: what they leave takes memory. */
const MOST_SPLIT = 16;

/** The cache that attention reads, and the layout of its slots. */
export interface AttentionOptions {
  readonly heads: number;
  /** [B, heads, slots, 64], f32 or f16; textures if kernels broadcast. */
  readonly k: Tensor;
  readonly v: Tensor;
  /** [B, F] of `Frame`: index, keys. */
  readonly frames: Tensor;
  /** The `Step` numbers: how many keys are long-term, where they start, frame indices. */
  readonly step: DeviceBuffer;
  /** First slot of the short-term window. */
  readonly window: number;
  readonly contextTokens: number;
  readonly windowTokens: number;
  /** Bias per frame of distance (FlexRoPE's temporal decay); 0 for no bias. */
  readonly slope: number;
  /** Tiling of the work (chosen by device and shape). */
  readonly tuning?: Partial<AttentionTuning>;
}

/**
 * Frame-causal attention of a pass's queries over the cache, long-term context and window at once.
 * @param q [B, F, T, d] f32, rotated and scaled
 * @returns [B, F, T, d] f32, in an image where kernels broadcast
 * @throws {ShapeError}
 */
export function attention(p: Program, q: Tensor, options: AttentionOptions): Tensor {
  const { heads, k, v, frames, step, slope } = options;
  const [batch, count, tokens, d] = q.shape as [number, number, number, number];
  if (d !== heads * 64 || k.shape[0] !== batch || k.shape[1] !== heads) {
    throw new ShapeError(`Cannot attend q [${q.shape}] to a cache [${k.shape}]`);
  }
  const queries = count * tokens;
  const slots = k.shape[2]!;
  const shape = { queries, slots, rows: heads * batch, dtype: k.dtype };
  const { ahead, shuffle, parts, ...tuning } = {
    ...attentionTuning(p.device, shape),
    ...options.tuning,
  };
  const broadcast = k.buffer.kind === "texture";
  const tiles = Math.ceil(queries / (broadcast ? BROADCAST_QUERIES : LANES_QUERIES));
  const shuffles = Boolean(shuffle) && exchangesHeads(p.device, shape.dtype);
  const byLanes = shuffles ? ATTENTION_SHUFFLE : ATTENTION;
  // workgroup memory that scores pass through is enough for one group of lanes: others are workgroups
  const split = shuffles || broadcast ? tuning.split : Math.min(tuning.split * parts, MOST_SPLIT);
  const lanes = {
    AHEAD: ahead,
    ...(shuffles && { PARTS: Math.min(parts, p.device.wide ? 8 : 4) }),
  };
  // products read it, where they can from an image
  const kind = broadcast && split === 1 ? "texture" : "storage";
  const result = p.scratch(q.shape, "f32", kind);
  const out = split === 1 ? result : p.scratch([batch * queries * heads, split, 68]);
  dispatchForm(p, broadcast ? ATTENTION_BROADCAST : byLanes, {
    constants: {
      ...(broadcast ? {} : lanes),
      F16: Number(k.dtype === "f16"),
      SPLIT: split,
      SLOPE: Number(slope !== 0),
    },
    params: {
      queries,
      tokens,
      heads,
      slots,
      window: options.window,
      context_tokens: options.contextTokens,
      window_tokens: options.windowTokens,
      slope,
      vec4s: 16,
    },
    buffers: { step, q, k, v, frames, out },
    groups: [tiles * split, heads, batch],
  });
  if (split > 1) mergeAttention(p, out, result);
  return result;
}
