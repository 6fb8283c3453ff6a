import code from "./attention.wgsl" with { type: "text" };
import mergeCode from "./merge_attention.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";

const ATTENTION = defineKernel("attention", code);
/** Joins the parts of a split attention; exported for its test. */
export const MERGE_ATTENTION = defineKernel("merge_attention", mergeCode);

/** The cache an attention reads, and how its slots are divided. */
export interface AttentionOptions {
  readonly heads: number;
  /** [B, heads, slots, 64], f32 or f16. */
  readonly k: Tensor;
  readonly v: Tensor;
  /** Per (video, frame) of the pass: .y frame index, .w number of keys it sees. */
  readonly frames: Tensor;
  /** The `Step` numbers: how many keys are long-term, where they start, frame indices. */
  readonly step: DeviceBuffer;
  /** First slot of the short-term window. */
  readonly window: number;
  readonly contextTokens: number;
  readonly windowTokens: number;
  /** Bias per frame of distance (FlexRoPE's temporal decay); 0 for none. */
  readonly slope: number;
  /** Workgroups' lanes (one query each) and parts of the keys; chosen by device when absent. */
  readonly lanes?: number;
  readonly split?: number;
}

/**
 * Frame-causal attention of a pass's queries over the cache, long-term context and window at once.
 * @param q [B, F, T, d] f32, rotated and scaled
 * @returns [B, F, T, d] f32
 * @throws {ShapeError}
 */
export function attention(p: Program, q: Tensor, options: AttentionOptions): Tensor {
  const { heads, k, v, frames, step, slope, lanes = p.device.cpu ? 8 : 64 } = options;
  const [batch, count, tokens, d] = q.shape as [number, number, number, number];
  if (d !== heads * 64 || k.shape[0] !== batch || k.shape[1] !== heads) {
    throw new ShapeError(`Cannot attend q [${q.shape}] to a cache [${k.shape}]`);
  }
  const queries = count * tokens;
  const tiles = Math.ceil(queries / lanes);
  const split = options.split ?? (p.device.cpu ? 1 : splits(tiles * heads * batch, k.shape[2]!));
  const result = p.scratch(q.shape);
  const rows = batch * queries * heads;
  const out = split === 1 ? result : p.scratch([rows, split, 68]);
  p.dispatch({
    kernel: ATTENTION,
    constants: {
      WG: lanes,
      F16: Number(k.dtype === "f16"),
      SPLIT: split,
      SLOPE: Number(slope !== 0),
    },
    params: {
      queries,
      tokens,
      heads,
      slots: k.shape[2]!,
      window: options.window,
      context_tokens: options.contextTokens,
      window_tokens: options.windowTokens,
      slope,
    },
    buffers: { step, q, k, v, frames, out },
    groups: [tiles * split, heads, batch],
  });
  if (split > 1) {
    p.dispatch({
      kernel: MERGE_ATTENTION,
      constants: { SPLIT: split },
      params: { rows },
      buffers: { parts: out, out: result },
      groups: [Math.ceil(rows * 16 / 64), 1, 1],
    });
  }
  return result;
}

/** Workgroups that keep a large GPU busy, and the fewest keys that are worth a part of their own. */
const BUSY = 512;
const KEYS_A_PART = 256;

/** Flash-decoding: parts so that the workgroups fill the device where the queries alone do not. */
function splits(workgroups: number, slots: number): number {
  return Math.max(1, Math.min(Math.ceil(BUSY / workgroups), Math.floor(slots / KEYS_A_PART), 16));
}
