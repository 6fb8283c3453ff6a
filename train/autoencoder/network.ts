import { ShapeError } from "../../gpu/errors.ts";
import type { Tensor } from "../../gpu/memory.ts";
import { channelNorm } from "../../kernels/channel_norm.ts";
import { channelNormBackward } from "../../kernels/channel_norm_backward.ts";
import { channelShortcut, channelShortcutBackward } from "../../kernels/channel_shortcut.ts";
import { pixelUnshuffle } from "../../kernels/pixel_unshuffle.ts";
import { finest } from "../../model/autoencoder.ts";
import type { AutoencoderSizes, Stage } from "../../model/autoencoder_config.ts";
import { blocks, down, up } from "./blocks.ts";
import {
  activatedBackward,
  addNormGradients,
  convForward,
  convGradients,
  convInputGradient,
  type ConvSpec,
  type Layer,
  normWeights,
  type Tape,
  weightGradient,
} from "./layers.ts";

const RGB = 3;

/** A 3 x 3 convolution with bias. */
function conv3(name: string, inputs: number, outputs: number): ConvSpec {
  return { names: [name], inputs, outputs, size: 3, bias: true };
}

/** @param isFirst whether nobody needs the gradient of x */
function plainConv(t: Tape, spec: ConvSpec, x: Tensor, isFirst = false): Layer {
  return {
    y: convForward(t, spec, x),
    back: (dy) => {
      convGradients(t, spec, x, dy);
      return isFirst ? dy : convInputGradient(t, spec, dy);
    },
  };
}

/** A convolution plus means of groups of channels, or channels repeated. */
function shortcutConv(t: Tape, spec: ConvSpec, x: Tensor): Layer {
  const { program: p } = t;
  const y = convForward(t, spec, x, { into: channelShortcut(p, x, spec.outputs) });
  const back = (dy: Tensor) => {
    convGradients(t, spec, x, dy);
    return channelShortcutBackward(p, dy, convInputGradient(t, spec, dy));
  };
  return { y, back };
}

/** Layers one after the other. */
function chain(x: Tensor, steps: readonly ((x: Tensor) => Layer)[]): Layer {
  const backs: Layer["back"][] = [];
  let y = x;
  for (const step of steps) {
    const layer = step(y);
    y = layer.y;
    backs.push(layer.back);
  }
  return { y, back: (dy) => backs.reduceRight((gradient, back) => back(gradient), dy) };
}

/**
 * Images to latents, not scaled.
 * @param image [B, H, W, 4] f32 from -1 to 1, the fourth channel zero; it gets no gradient
 * @returns [B, h, w, latent channels] f32
 * @throws {ShapeError} when H or W is not a multiple of the compression
 * Source: released `MyAutoencoderDC.encode`.
 */
export function encode(t: Tape, sizes: AutoencoderSizes, image: Tensor): Layer {
  const { encoder, latentChannels, headDim, compression } = sizes;
  const [, height, width] = image.shape as [number, number, number, number];
  if (height % compression || width % compression) {
    throw new ShapeError(`Cannot encode ${width} x ${height}: not multiples of ${compression}`);
  }
  const { skipped, channels } = finest(encoder);
  const first = (x: Tensor) =>
    skipped
      ? down(t, conv3("encoder.conv_in.conv", RGB, channels / 4), x, false, true)
      : plainConv(t, conv3("encoder.conv_in", RGB, channels), x, true);
  const stages = encoder.flatMap((stage, i) => {
    const name = `encoder.down_blocks.${i}`;
    const coarser = encoder[i + 1];
    if (stage.layers === 0) return [];
    const run = (x: Tensor) => blocks(t, name, stage, { headDim, x, first: 0 });
    if (!coarser) return [run];
    const spec = conv3(`${name}.${stage.layers}.conv`, stage.channels, coarser.channels / 4);
    return [run, (x: Tensor) => down(t, spec, x, true)];
  });
  const out = conv3("encoder.conv_out", encoder.at(-1)!.channels, latentChannels);
  return chain(image, [first, ...stages, (x) => shortcutConv(t, out, x)]);
}

/** Decoded images. */
export interface Decoded extends Layer {
  /** Gradient of the last convolution's weight alone, in scratch, for a gradient of the images. */
  readonly lastGradient: (dy: Tensor) => Tensor;
}

/**
 * Latents, not scaled, to images.
 * @param latents [B, h, w, latent channels] f32
 * @returns [B, H, W, 4] f32, about -1 to 1, the fourth channel zero
 * Source: released `MyAutoencoderDC.decode`.
 */
export function decode(t: Tape, sizes: AutoencoderSizes, latents: Tensor): Decoded {
  const { decoder, latentChannels, headDim } = sizes;
  const first = conv3("decoder.conv_in", latentChannels, decoder.at(-1)!.channels);
  const stages = decoder.flatMap((stage, i) => {
    const name = `decoder.up_blocks.${i}`;
    const coarser = decoder[i + 1];
    if (stage.layers === 0) return [];
    const run = (x: Tensor) => blocks(t, name, stage, { headDim, x, first: coarser ? 1 : 0 });
    if (!coarser) return [[run]];
    const spec = conv3(`${name}.0.conv`, coarser.channels, 4 * stage.channels);
    return [[(x: Tensor) => up(t, spec, x, true), run]];
  });
  const steps = stages.toReversed().flat();
  const before = chain(latents, [(x) => shortcutConv(t, first, x), ...steps]);
  const { y, back, lastGradient } = out(t, decoder, before.y);
  return { y, back: (dy) => before.back(back(dy)), lastGradient };
}

/** The decoder's norm, ReLU and last convolution. */
function out(t: Tape, decoder: readonly Stage[], x: Tensor): Decoded {
  const { program: p } = t;
  const { skipped, channels } = finest(decoder);
  const weights = normWeights(t, "decoder.norm_out");
  const normed = channelNorm(p, weights, x, { activation: "relu" });
  const spec = skipped
    ? conv3("decoder.conv_out.conv", channels, 4 * RGB)
    : conv3("decoder.conv_out", channels, RGB);
  const last = skipped ? up(t, spec, normed, false) : plainConv(t, spec, normed);
  const lastGradient = (dy: Tensor) =>
    p.scope(() =>
      weightGradient(t, spec, normed, skipped ? pixelUnshuffle(p, dy, spec.outputs) : dy)
    );
  const back = (dy: Tensor) =>
    p.scope(() => {
      const dnormed = activatedBackward(p, "relu", normed, last.back(dy));
      const dx = p.like(x, x.shape);
      const sums = channelNormBackward(p, weights, { x, dy: dnormed, dx });
      addNormGradients(t, "decoder.norm_out", sums);
      return dx;
    });
  return { y: last.y, back, lastGradient };
}
