import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { channelNorm, type NormWeights } from "../kernels/channel_norm.ts";
import { conv2d } from "../kernels/conv2d.ts";
import { depthwiseGlu } from "../kernels/depthwise_glu.ts";
import { linear, type LinearWeights } from "../kernels/linear.ts";
import { linearAttention } from "../kernels/linear_attention.ts";
import { inImage } from "../kernels/memory_forms.ts";
import { pixelShuffle } from "../kernels/pixel_shuffle.ts";
import { pixelUnshuffle } from "../kernels/pixel_unshuffle.ts";
import type { Stage } from "./autoencoder_config.ts";
import type { Loader } from "./loader.ts";

const BATCH_NORM_EPS = 1e-5;

/** An RMS norm over channels with weight and bias. */
export function loadNorm(l: Loader, channels: number): NormWeights {
  return { weight: l.vector("weight", channels), bias: l.vector("bias", channels) };
}

/** A batch norm for inference, folded into the factor and bias of the convolution before it. */
function loadBatchNorm(l: Loader, channels: number): { scale: Tensor; bias: Tensor } {
  const scale = (weight: Float32Array, variance: Float32Array) =>
    weight.map((v, i) => v / Math.sqrt(variance[i]! + BATCH_NORM_EPS));
  return {
    scale: l.combined("scale", ["weight", "running_var"], channels, scale),
    bias: l.combined(
      "shift",
      ["weight", "running_var", "bias", "running_mean"],
      channels,
      (weight, variance, bias, mean) => {
        const factors = scale(weight!, variance!);
        return bias!.map((v, i) => v - mean![i]! * factors[i]!);
      },
    ),
  };
}

/** Weights of a ResBlock; keys are the checkpoint's. */
function loadResBlock(l: Loader, { channels: c, norm, activation }: Stage) {
  return {
    kind: "ResBlock" as const,
    activation,
    conv1: l.conv("conv1", [c, c], { size: 3 }),
    conv2: l.conv("conv2", [c, c], { size: 3, bias: false }),
    norm: norm === "rms_norm" ? loadNorm(l.at("norm"), c) : undefined,
    batchNorm: norm === "batch_norm" ? loadBatchNorm(l.at("norm"), c) : undefined,
  };
}

export type ResBlockWeights = ReturnType<typeof loadResBlock>;

/**
 * x + norm(conv2(act(conv1(x)))).
 * @param x [B, H, W, C] f32, updated in place and returned, unless it is an image
 * Source: diffusers `ResBlock`.
 */
export function resBlock(p: Program, w: ResBlockWeights, x: Tensor): Tensor {
  return p.scope(() => {
    const { activation, batchNorm } = w;
    const hidden = conv2d(p, w.conv1, x, { activation, label: "conv1" });
    if (batchNorm) {
      const conv2 = { ...w.conv2, bias: batchNorm.bias };
      return conv2d(p, conv2, hidden, { scale: batchNorm.scale, into: x, label: "conv2" });
    }
    return channelNorm(p, w.norm!, conv2d(p, w.conv2, hidden, { label: "conv2" }), { into: x });
  });
}

/** Weights of an EfficientViTBlock; keys are the checkpoint's. */
function loadEfficientViTBlock(l: Loader, { channels: c }: Stage, headDim: number) {
  const [attn, glu] = [l.at("attn"), l.at("conv_out")];
  return {
    kind: "EfficientViTBlock" as const,
    attn: {
      headDim,
      qkv: attn.linear(["to_q", "to_k", "to_v"], [c, c], { bias: false }),
      to_out: attn.linear("to_out", [c, c], { bias: false }),
      norm_out: loadNorm(attn.at("norm_out"), c),
    },
    conv_out: {
      conv_inverted: glu.conv("conv_inverted", [8 * c, c], { size: 1 }),
      conv_depth: glu.depthwise("conv_depth", 8 * c, { size: 3 }),
      conv_point: glu.conv("conv_point", [c, 4 * c], { size: 1, bias: false }),
      norm: loadNorm(glu.at("norm"), c),
    },
  };
}

export type EfficientViTBlockWeights = ReturnType<typeof loadEfficientViTBlock>;

/** W x of each pixel, with SiLU if asked: of images by `conv2d`, whose weights are laid out alike. */
function pointwise(
  p: Program,
  w: LinearWeights,
  x: Tensor,
  { label, silu = false }: { readonly label: string; readonly silu?: boolean },
): Tensor {
  if (inImage(x)) return conv2d(p, w, x, { label, ...(silu && { activation: "silu" }) });
  return linear(p, w, x, { label, ...(silu && { output: "silu" }) });
}

/**
 * y = x + norm(to_out(attention(q, k, v))), then y + norm(point(glu(depth(silu(inverted(y)))))).
 * @param x [B, h, w, C] f32, updated in place and returned, unless it is an image
 * Source: diffusers `EfficientViTBlock`: `SanaMultiscaleLinearAttention`, `GLUMBConv`.
 */
function efficientViTBlock(p: Program, w: EfficientViTBlockWeights, x: Tensor): Tensor {
  const { attn, conv_out: glu } = w;
  const attended = p.scope(() => {
    const qkv = pointwise(p, attn.qkv, x, { label: "autoencoder qkv" });
    const y = linearAttention(p, qkv, attn.headDim);
    const out = pointwise(p, attn.to_out, y, { label: "autoencoder to_out" });
    return channelNorm(p, attn.norm_out, out, { into: x });
  });
  return p.scope(() => {
    const hidden = pointwise(p, glu.conv_inverted, attended, {
      silu: true,
      label: "conv_inverted",
    });
    const gated = depthwiseGlu(p, glu.conv_depth, hidden);
    const out = pointwise(p, glu.conv_point, gated, { label: "conv_point" });
    return channelNorm(p, glu.norm, out, { into: attended });
  });
}

/** The blocks of a stage; `first` is the index of the first one in the checkpoint. */
export function loadBlocks(l: Loader, stage: Stage, headDim: number, first: number) {
  return Array.from({ length: stage.layers }, (_, i) => {
    const scope = l.at(String(first + i));
    return stage.kind === "ResBlock"
      ? loadResBlock(scope, stage)
      : loadEfficientViTBlock(scope, stage, headDim);
  });
}

/** Runs blocks, in place unless x is an image. */
export function blocks(p: Program, w: ReturnType<typeof loadBlocks>, x: Tensor): Tensor {
  return w.reduce(
    (y, block) =>
      block.kind === "ResBlock" ? resBlock(p, block, y) : efficientViTBlock(p, block, y),
    x,
  );
}

/** The convolution of a block that changes the resolution. */
export function loadDownBlock(l: Loader, inputs: number, outputs: number): LinearWeights {
  return l.conv("conv", [outputs / 4, inputs], { size: 3 });
}

/**
 * Half the height and width: unshuffled convolution, plus x itself, unshuffled and averaged.
 * @param x [B, H, W, C] f32
 * @returns [B, H / 2, W / 2, 4 outputs of the convolution]
 * Source: diffusers `DCDownBlock2d`.
 */
export function downBlock(
  p: Program,
  conv: LinearWeights,
  x: Tensor,
  { shortcut }: { readonly shortcut: boolean },
): Tensor {
  return p.scope(() => {
    const y = conv2d(p, conv, x, { label: "down" });
    return pixelUnshuffle(p, y, 4 * conv.outputs, shortcut ? x : undefined);
  });
}

/** The convolution of a block that changes the resolution. */
export function loadUpBlock(l: Loader, inputs: number, outputs: number): LinearWeights {
  return l.conv("conv", [4 * outputs, inputs], { size: 3 });
}

/**
 * Twice the height and width: shuffled convolution, plus x itself, repeated and shuffled.
 * @param x [B, H, W, C] f32
 * @returns [B, 2 H, 2 W, a quarter of the convolution's outputs, padded to 4]
 * Source: diffusers `DCUpBlock2d`.
 */
export function upBlock(
  p: Program,
  conv: LinearWeights,
  x: Tensor,
  { shortcut }: { readonly shortcut: boolean },
): Tensor {
  return p.scope(() => {
    const y = conv2d(p, conv, x, { label: "up" });
    return pixelShuffle(p, y, shortcut ? x : undefined);
  });
}
