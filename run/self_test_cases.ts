import type { Dtype, Tensor } from "../gpu/memory.ts";
import { attention } from "../kernels/attention.ts";
import { channelNorm } from "../kernels/channel_norm.ts";
import { channelShortcut } from "../kernels/channel_shortcut.ts";
import { classEmbedding } from "../kernels/class_embedding.ts";
import { conv2d } from "../kernels/conv2d.ts";
import { depthwiseGlu } from "../kernels/depthwise_glu.ts";
import { lastFrame } from "../kernels/last_frame.ts";
import { imageBuffer, readImage, writeImage } from "../kernels/image.ts";
import { readLatents, writeLatents } from "../kernels/latents.ts";
import { layerNorm } from "../kernels/layer_norm.ts";
import { linear } from "../kernels/linear.ts";
import { linearAttention } from "../kernels/linear_attention.ts";
import { packWeight } from "../kernels/pack_weight.ts";
import { patchify } from "../kernels/patchify.ts";
import { pixelShuffle } from "../kernels/pixel_shuffle.ts";
import { pixelUnshuffle } from "../kernels/pixel_unshuffle.ts";
import { qkv } from "../kernels/qkv.ts";
import { solverStep } from "../kernels/solver_step.ts";
import type { SelfTestBench } from "./self_test_bench.ts";

/** A family of kernels and how a small run of it is recorded; returns the results to compare. */
export interface SelfTestCase {
  readonly family: string;
  /** Largest difference from the golden that rounding explains, relative to its largest value. */
  readonly tolerance: number;
  record(bench: SelfTestBench): readonly Tensor[];
}

/** Sums of some hundred products in float32, in another order and with other fused operations. */
const F32 = 1e-4;
/** Storage in half floats (11 bits), where a rounding may go the other way. */
const F16 = 2e-3;

function linearCase(dtype: Dtype): SelfTestCase["record"] {
  return (b) => {
    const layer = b.layer(24, 36, dtype);
    const x = b.floats(9, 24);
    const gelu = linear(b.program, layer, x, { output: "gelu" });
    const shuffled = linear(b.program, layer, x, { output: "gelu", tuning: { shuffle: 1 } });
    const y = b.floats(1, 3, 3, 20);
    const frames = b.words([1, 3, 4], [1, 9, 9, 9, 0, 9, 9, 9, 1, 9, 9, 9]);
    const gate = { table: b.floats(2, 24), frames, tokens: 3, offset: 4 };
    linear(b.program, b.layer(36, 20, dtype), gelu, { into: { y, gate } });
    const norm = { table: b.floats(2, 48), frames, tokens: 3, shift: 4, scale: 24 };
    const normed = b.layer(20, 12, dtype);
    const ways = [{}, { packed: 1 }, { split: 4 }] as const;
    const all = ways.map((tuning) => linear(b.program, normed, y, { norm, tuning }));
    return [gelu, shuffled, y, ...all];
  };
}

/**
 * Long-term context of 2 frames, a window of 2, queries of the newest frame; split as on large
 * GPUs.
 */
function attentionCase(dtype: Dtype): SelfTestCase["record"] {
  const [heads, tokens, contextTokens] = [2, 4, 1];
  const slots = 2 * contextTokens + 2 * tokens;
  return (b) => {
    const cache = {
      k: b.kept([1, heads, slots, 64], dtype),
      v: b.kept([1, heads, slots, 64], dtype),
    };
    const store = (count: number, each: number, frames: number[], shuffle: number) =>
      qkv(b.program, b.layer(24, 3 * heads * 64, dtype), b.floats(1, count, each, 24), {
        norm: {
          table: b.floats(1, 48),
          frames: b.words([1, count, 4], frames),
          tokens: each,
          shift: 0,
          scale: 24,
        },
        heads,
        axes: [16, 24, 24],
        columns: Math.sqrt(each),
        spread: each === 1 ? 2 : 1,
        time: 24,
        norms: b.floats(2, 64),
        frames: b.words([1, count, 4], frames),
        rope: b.floats(4 * 24 + 16 * count),
        tuning: { shuffle },
        ...cache,
      });
    store(2, contextTokens, [0, 0, 0, 0, 0, 1, 1, 0], 0);
    const frames = [0, 2, 2, 6, 0, 3, 6, 10];
    const q = store(2, tokens, frames, 1);
    const step = new DataView(new ArrayBuffer(48));
    for (const [i, n] of [2, 0, 2, 0, 0, 8, 2, 3].entries()) step.setUint32(4 * i, n, true);
    const options = {
      heads,
      ...cache,
      frames: b.words([1, 2, 4], frames),
      step: b.uniform(step),
      window: 2,
      contextTokens,
      windowTokens: tokens,
      slope: 0.3,
    };
    const divided = [{}, { split: 3 }, { parts: 4 }] as const;
    return divided.map((tuning) => attention(b.program, q, { ...options, tuning }));
  };
}

function convCase(dtype: Dtype): SelfTestCase["record"] {
  return (b) => {
    const layer = b.layer(8, 12, dtype, 9);
    const x = b.floats(1, 5, 3, 8);
    return [
      conv2d(b.program, layer, x, { activation: "silu" }),
      conv2d(b.program, layer, x, { activation: "silu", tuning: { shuffle: 1 } }),
      conv2d(b.program, b.layer(8, 4, dtype), b.floats(2, 2, 3, 8)),
    ];
  };
}

function normCase(b: SelfTestBench): Tensor[] {
  const frames = b.words([1, 2, 4], [2, 9, 9, 9, 0, 9, 9, 9]);
  const norm = { table: b.floats(3, 48), frames, tokens: 3, shift: 4, scale: 24 };
  const x = b.floats(1, 2, 3, 20);
  const y = layerNorm(b.program, x, norm);
  const product = linear(b.program, b.layer(20, 8, "f32"), x, { norm });
  return [y, product, lastFrame(b.program, y)];
}

function latentsCase(b: SelfTestBench): Tensor[] {
  const latents = b.floats(1, 3, 4, 4, 4);
  const frames = b.words([1, 2, 4], [0, 1, 0, 0, 0, 2, 0, 0]);
  const tokens = patchify(b.program, latents, frames, 2);
  const step = new DataView(new ArrayBuffer(48));
  step.setUint32(28, 2, true);
  for (const [i, factor] of [-0.3, 0.2, 2.5].entries()) step.setFloat32(32 + 4 * i, factor, true);
  const previous = b.floats(1, 4, 4, 4);
  const velocity = b.floats(2, 1, 4, 16);
  solverStep(b.program, velocity, { latents, previous, step: b.uniform(step), patch: 2 });
  const pick = (frame: number) => ({ latents, frames: b.words([1], [frame]), scale: 2 });
  const read = readLatents(b.program, pick(2));
  writeLatents(b.program, read, pick(0));
  return [tokens, latents, previous, read];
}

function depthwiseCase(b: SelfTestBench): Tensor[] {
  const weight = b.zeros([12, 16]);
  const options = { dtype: "F32", shape: [16, 9] } as const;
  packWeight(b.program, b.floats(16, 9).buffer, weight, options);
  return [depthwiseGlu(b.program, { weight, bias: b.floats(16) }, b.floats(1, 3, 4, 16))];
}

function imageCase(b: SelfTestBench): Tensor[] {
  const shape = [1, 2, 4] as const;
  const image = { pixels: b.floats(1, 3, 2, 4), shape };
  const pixels = readImage(b.program, image);
  const bytes = imageBuffer(b.program.memory, "self-test", shape, "bytes");
  writeImage(b.program, pixels, bytes);
  return [pixels, bytes.pixels];
}

/** All families. */
export const SELF_TESTS: readonly SelfTestCase[] = [
  { family: "linear, f32", tolerance: F32, record: linearCase("f32") },
  { family: "linear, f16", tolerance: F16, record: linearCase("f16") },
  { family: "attention, f32", tolerance: F32, record: attentionCase("f32") },
  { family: "attention, f16", tolerance: F16, record: attentionCase("f16") },
  { family: "layer norm", tolerance: F32, record: normCase },
  { family: "latents and solver", tolerance: F32, record: latentsCase },
  {
    family: "class embedding",
    tolerance: F32,
    record: (b) => [
      classEmbedding(b.program, b.floats(3, 8), {
        table: b.floats(5, 8),
        index: b.words([3], [4, 0, 9]),
        activation: "silu",
      }),
    ],
  },
  { family: "convolution, f32", tolerance: F32, record: convCase("f32") },
  { family: "convolution, f16", tolerance: F16, record: convCase("f16") },
  { family: "depthwise convolution", tolerance: F32, record: depthwiseCase },
  {
    family: "linear attention",
    tolerance: F32,
    record: (b) => [
      linearAttention(b.program, b.floats(1, 3, 4, 48), 8),
      linearAttention(b.program, b.floats(1, 2, 3, 48), 8),
    ],
  },
  {
    family: "channel norm",
    tolerance: F32,
    record: (b) => [
      channelNorm(b.program, { weight: b.floats(16), bias: b.floats(16) }, b.floats(1, 2, 2, 12), {
        activation: "relu",
      }),
    ],
  },
  {
    family: "pixel shuffle and shortcuts",
    tolerance: F32,
    record: (b) => [
      pixelShuffle(b.program, b.floats(1, 2, 3, 16), b.floats(1, 2, 3, 8)),
      pixelUnshuffle(b.program, b.floats(1, 4, 2, 8), 32, b.floats(1, 4, 2, 16)),
      channelShortcut(b.program, b.floats(1, 2, 2, 16), 4),
      channelShortcut(b.program, b.floats(1, 2, 2, 4), 16),
    ],
  },
  { family: "images", tolerance: F32, record: imageCase },
];
