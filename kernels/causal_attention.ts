import keysCode from "./causal_attention_keys.wgsl" with { type: "text" };
import queriesCode from "./causal_attention_queries.wgsl" with { type: "text" };
import code from "./causal_attention.wgsl" with { type: "text" };
import type { Kernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { dispatchForm, imageForm, inImage, type MemoryForms, memoryForms } from "./memory_forms.ts";
import { type TokenLayout, windowLength } from "./modulated_norm.ts";

/** Forms of a kernel: lanes that broadcast rows of images, or that each read buffers on their own. */
interface Forms {
  readonly broadcast: Kernel;
  readonly plain: MemoryForms;
}

function forms(name: string, code: string, names: readonly string[]): Forms {
  const together = joinKernel(
    `${name}_broadcast`,
    code.replace("no_broadcast", "texel, broadcast"),
  );
  const halves = names.filter((array) => array !== "sums" && array !== "delta");
  return { broadcast: imageForm(together, names), plain: memoryForms(name, code, halves) };
}

const FORWARD = forms("causal_attention", code, ["qk", "qkv", "y", "sums"]);
const GRADIENT = ["qk", "qkv", "dy", "delta", "dqk"];
const QUERIES = forms("causal_attention_queries", queriesCode, [...GRADIENT, "y", "sums"]);
const KEYS = forms("causal_attention_keys", keysCode, [...GRADIENT, "dqkv"]);

export interface CausalOptions {
  readonly heads: number;
  readonly layout: TokenLayout;
  /** FlexRoPE's temporal decay per frame. */
  readonly slope: number;
}

/**
 * Frame-causal attention of whole sequences, long-term context and window together.
 * @param qk rotated queries and keys, [R, 2 d]
 * @param qkv whose last third are the values, [R, 3 d]
 * @param to y [R, d], and [R, heads, 4] sums for the backward pass
 */
export function causalAttention(
  p: Program,
  { qk, qkv }: Readonly<Record<"qk" | "qkv", Tensor>>,
  to: Readonly<Record<"y" | "sums", Tensor>>,
  options: CausalOptions,
): void {
  dispatchRegions(p, FORWARD, { qk, qkv, ...to }, options);
}

/** Tensors that the backward pass of attention reads and writes. */
export type CausalGradients = Readonly<
  Record<"qk" | "qkv" | "y" | "dy" | "sums" | "delta" | "dqk" | "dqkv", Tensor>
>;

/**
 * Gradients of `causalAttention`: of rotated queries and keys into dqk [R, 2 d], and of values into
 * the last third of dqkv [R, 3 d].
 */
export function causalAttentionBackward(
  p: Program,
  { y, sums, dqkv, ...shared }: CausalGradients,
  options: CausalOptions,
): void {
  dispatchRegions(p, QUERIES, { ...shared, y, sums }, options);
  dispatchRegions(p, KEYS, { ...shared, dqkv }, options);
}

/** Frames that differ in size, or in what they see, have a dispatch of their own. */
function dispatchRegions(
  p: Program,
  { broadcast, plain }: Forms,
  buffers: Readonly<Record<string, Tensor>>,
  { heads, layout, slope }: CausalOptions,
): void {
  const { videos, contextFrames, contextTokens, windowFrames, windowTokens } = layout;
  const together = inImage(buffers.qk!);
  const WG = together ? 8 : 64;
  const length = windowLength(layout);
  const noisy = windowFrames - length;
  const regions = [
    { first_frame: 0, frames: contextFrames, tokens: contextTokens },
    { first_frame: contextFrames, frames: length, tokens: windowTokens },
    { first_frame: contextFrames + length, frames: noisy, tokens: windowTokens },
  ];
  for (const region of regions) {
    if (region.frames === 0) continue;
    const tokens = region.frames * region.tokens;
    const dispatch = {
      constants: {
        WG,
        SLOPE: Number(slope !== 0),
        BROADCAST: Number(together),
        PAIR: Number(together),
        TWINS: Number(noisy > 0),
      },
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
      groups: [Math.ceil(tokens / (together ? 2 * WG : WG)), 1, videos * heads],
    } as const;
    if (together) p.dispatch({ kernel: broadcast, ...dispatch });
    else dispatchForm(p, plain, dispatch);
  }
}
