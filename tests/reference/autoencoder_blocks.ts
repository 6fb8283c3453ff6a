/**
 * Plain twins of whole blocks of an autoencoder in float64, made of those of their layers. Tensors
 * are [b, h, w, c], weights as PyTorch stores them.
 */
import type { Stage } from "../../model/autoencoder_config.ts";
import {
  batchNormTwin,
  channelNormTwin,
  convTwin,
  depthwiseGluTwin,
  downShortcutTwin,
  finePlace,
  reluAttentionTwin,
  upShortcutTwin,
} from "./autoencoder_training.ts";

type Numbers = ArrayLike<number>;
/** Weights by their names within the block. */
export type BlockWeights = Readonly<Record<string, Numbers>>;
/** Images, and pixels along their sides. */
export type Place = readonly [b: number, h: number, w: number];

function plus(a: Numbers, b: Numbers): number[] {
  return Array.from(a, (value, i) => value + b[i]!);
}

function silu(x: readonly number[]): number[] {
  return x.map((value) => value / (1 + Math.exp(-value)));
}

function conv(
  x: Numbers,
  weight: Numbers,
  [b, h, w]: Place,
  { k, size, bias }: { readonly k: number; readonly size: 1 | 3; readonly bias?: Numbers },
): number[] {
  const n = weight.length / k / size ** 2;
  const y = convTwin(x, weight, { b, h, w, k, n, size });
  return bias ? y.map((value, i) => value + bias[i % n]!) : y;
}

/** A block of a stage. Source: diffusers `ResBlock`, `EfficientViTBlock`. */
export function blockTwin(
  stage: Stage,
  headDim: number,
  place: Place,
  weights: BlockWeights,
  x: Numbers,
): number[] {
  if (stage.kind === "ResBlock") return resBlockTwin(stage, place, weights, x);
  return gatedConvTwin(stage, place, weights, attentionTwin(stage, headDim, place, weights, x));
}

function resBlockTwin(stage: Stage, place: Place, w: BlockWeights, x: Numbers): number[] {
  const { channels: k } = stage;
  const hidden = conv(x, w["conv1.weight"]!, place, { k, size: 3, bias: w["conv1.bias"]! });
  const active = stage.activation === "relu"
    ? hidden.map((value) => Math.max(0, value))
    : silu(hidden);
  const z = conv(active, w["conv2.weight"]!, place, { k, size: 3 });
  const norm = stage.norm === "batch_norm" ? batchNormTwin : channelNormTwin;
  return plus(x, norm(z, w["norm.weight"]!, w["norm.bias"]!));
}

function attentionTwin(
  { channels: k }: Stage,
  dim: number,
  place: Place,
  w: BlockWeights,
  x: Numbers,
): number[] {
  const names = ["to_q", "to_k", "to_v"].map((name) => w[`attn.${name}.weight`]!);
  const joined = names.flatMap((weight) => Array.from(weight));
  const qkv = conv(x, joined, place, { k, size: 1 });
  const attended = reluAttentionTwin(qkv, [place[0], place[1] * place[2], k / dim, dim]);
  const z = conv(attended, w["attn.to_out.weight"]!, place, { k, size: 1 });
  return plus(x, channelNormTwin(z, w["attn.norm_out.weight"]!, w["attn.norm_out.bias"]!));
}

function gatedConvTwin(
  { channels: k }: Stage,
  place: Place,
  w: BlockWeights,
  x: Numbers,
): number[] {
  const at = (name: string) => w[`conv_out.${name}`]!;
  const bias = at("conv_inverted.bias");
  const hidden = silu(conv(x, at("conv_inverted.weight"), place, { k, size: 1, bias }));
  const depth = [at("conv_depth.weight"), at("conv_depth.bias")] as const;
  const gated = depthwiseGluTwin(hidden, ...depth, [...place, 8 * k]);
  const z = conv(gated, at("conv_point.weight"), place, { k: 4 * k, size: 1 });
  return plus(x, channelNormTwin(z, at("norm.weight"), at("norm.bias")));
}

/** Half the size: a convolution, unshuffled. Source: diffusers `DCDownBlock2d`. */
export function downTwin(
  [b, h, w]: Place,
  { weight, bias }: BlockWeights,
  x: Numbers,
  shortcut: boolean,
): number[] {
  const k = x.length / (b * h * w);
  const z = conv(x, weight!, [b, h, w], { k, size: 3, bias: bias! });
  const n = bias!.length;
  const y = Array.from({ length: b * h * w * n }, (_, i) => {
    const [pixel, q] = [Math.floor(i / 4 / n), i % (4 * n)];
    return z[finePlace(pixel, w / 2, q % 4) * n + Math.floor(q / 4)]!;
  });
  return shortcut ? plus(y, downShortcutTwin(x, [b, h, w, k], 4 * n)) : y;
}

/** Twice the size: a convolution, shuffled. Source: diffusers `DCUpBlock2d`. */
export function upTwin(
  [b, h, w]: Place,
  { weight, bias }: BlockWeights,
  x: Numbers,
  shortcut: boolean,
): number[] {
  const k = x.length / (b * h * w);
  const z = conv(x, weight!, [b, h, w], { k, size: 3, bias: bias! });
  const channels = bias!.length / 4;
  const y = upShortcutTwin(z, [b, h, w, 4 * channels], channels);
  return shortcut ? plus(y, upShortcutTwin(x, [b, h, w, k], channels)) : y;
}
