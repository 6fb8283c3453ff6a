import keysCode from "./causal_attention_keys.wgsl" with { type: "text" };
import queriesCode from "./causal_attention_queries.wgsl" with { type: "text" };
import code from "./causal_attention.wgsl" with { type: "text" };
import type { Kernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { broadcasts } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { operand } from "./matmul.ts";
import type { TokenLayout } from "./modulated_norm.ts";

/** Forms of a kernel: lanes that broadcast rows, or lanes that each read on their own. */
interface Forms {
  readonly broadcast: Kernel;
  readonly plain: Kernel;
}

function forms(name: string, code: string): Forms {
  return {
    broadcast: joinKernel(
      `${name}_broadcast`,
      code.replace("no_broadcast", "broadcast").replaceAll("_memory", "_image"),
    ),
    plain: joinKernel(name, code),
  };
}

const FORWARD = forms("causal_attention", code);
const QUERIES = forms("causal_attention_queries", queriesCode);
const KEYS = forms("causal_attention_keys", keysCode);

export interface CausalOptions {
  readonly heads: number;
  readonly layout: TokenLayout;
  /** FlexRoPE's temporal decay per frame. */
  readonly slope: number;
  /** Where rows are copied to where `usesImages` says so; dy's in the backward pass only. */
  readonly images?: Readonly<Record<"qk" | "qkv", Tensor> & Partial<Record<"dy", Tensor>>>;
}

/**
 * Frame-causal attention of whole sequences, long-term context and window together.
 * @param qk rotated queries and keys, [R, 2 d]
 * @param qkv whose last third are the values, [R, 3 d]
 * @param to y [R, d], and lse [R, heads] for the backward pass
 */
export function causalAttention(
  p: Program,
  { qk, qkv }: Readonly<Record<"qk" | "qkv", Tensor>>,
  to: Readonly<Record<"y" | "lse", Tensor>>,
  options: CausalOptions,
): void {
  dispatchRegions(p, FORWARD, { ...gathered(p, { qk, qkv }, options), ...to }, options);
}

/** Tensors that the backward pass of attention reads and writes. */
export type CausalGradients = Readonly<
  Record<"qk" | "qkv" | "y" | "dy" | "lse" | "delta" | "dqkv", Tensor>
>;

/**
 * Gradients of `causalAttention`: of rotated queries and keys, and of values, into dqkv [R, 3 d].
 */
export function causalAttentionBackward(
  p: Program,
  buffers: CausalGradients,
  options: CausalOptions,
): void {
  const { y, lse, delta, dqkv, ...rows } = buffers;
  const keys = { ...gathered(p, rows, options), lse, delta, dqkv };
  dispatchRegions(p, QUERIES, { ...keys, y }, options);
  dispatchRegions(p, KEYS, keys, options);
}

/** Rows as the kernels read them: copies in images, where the device gathers from those. */
function gathered<Names extends "qk" | "qkv" | "dy">(
  p: Program,
  rows: Readonly<Record<Names, Tensor>>,
  { images }: CausalOptions,
): Record<Names, Tensor> {
  const copies = Object.entries<Tensor>(rows).map(([name, tensor]) => {
    const [count, stride] = tensor.shape as [number, number];
    const image = images?.[name as Names];
    return [name, operand(p, { tensor, stride }, [count, stride], image).tensor];
  });
  return Object.fromEntries(copies);
}

/** Long-term context and window have frames of different sizes: a dispatch for each. */
function dispatchRegions(
  p: Program,
  { broadcast, plain }: Forms,
  buffers: Readonly<Record<string, Tensor>>,
  { heads, layout, slope }: CausalOptions,
): void {
  const { videos, contextFrames, contextTokens, windowFrames, windowTokens } = layout;
  const together = broadcasts(p.device);
  const WG = together ? 8 : 64;
  const regions = [
    { first_frame: 0, frames: contextFrames, tokens: contextTokens },
    { first_frame: contextFrames, frames: windowFrames, tokens: windowTokens },
  ];
  for (const { frames, ...region } of regions) {
    if (frames === 0) continue;
    p.dispatch({
      kernel: together ? broadcast : plain,
      constants: { WG, SLOPE: Number(slope !== 0), BROADCAST: Number(together) },
      params: {
        videos,
        heads,
        context_frames: contextFrames,
        context_tokens: contextTokens,
        window_frames: windowFrames,
        window_tokens: windowTokens,
        slope,
        ...region,
      },
      buffers,
      groups: [Math.ceil(region.tokens / WG), frames, videos * heads],
    });
  }
}
