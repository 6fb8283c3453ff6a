import { channelNormReference } from "./channel_norm.ts";
import { channelShortcutReference } from "./channel_shortcut.ts";
import { conv2dReference } from "./conv2d.ts";
import { silu } from "./linear.ts";
import { pixelShuffleReference, pixelUnshuffleReference } from "./pixel_shuffle.ts";

/** Values of a tensor of a checkpoint, by name. */
export type Weights = (name: string) => Float32Array;

/** An image or its features, [h, w, c]. */
interface Plane {
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly x: Float32Array;
}

function conv(
  weights: Weights,
  name: string,
  { h, w, c, x }: Plane,
  n: number,
  bias = true,
): Plane {
  const weight = weights(`${name}.weight`);
  const offsets = bias ? weights(`${name}.bias`) : undefined;
  return { h, w, c: n, x: conv2dReference(x, weight, offsets, { b: 1, h, w, k: c, n, size: 3 }) };
}

function add(plane: Plane, y: Float32Array): Plane {
  return { ...plane, x: plane.x.map((v, i) => v + y[i]!) };
}

function norm(weights: Weights, name: string, plane: Plane): Plane {
  const [weight, bias] = [weights(`${name}.weight`), weights(`${name}.bias`)];
  return { ...plane, x: channelNormReference(plane.x, weight, bias, plane.c) };
}

function resBlock(weights: Weights, name: string, plane: Plane): Plane {
  const hidden = conv(weights, `${name}.conv1`, plane, plane.c);
  const active = { ...hidden, x: hidden.x.map(silu) };
  const y = conv(weights, `${name}.conv2`, active, plane.c, false);
  return add(plane, norm(weights, `${name}.norm`, y).x);
}

/**
 * A small autoencoder, two stages of one ResBlock each, both of `c` channels: the finest stage is
 * there, so the first and last convolutions keep the size.
 */
export function encodeReference(weights: Weights, image: Plane, c: number, latent: number): Plane {
  let x = conv(weights, "encoder.conv_in", image, c);
  x = resBlock(weights, "encoder.down_blocks.0.0", x);
  const { h, w } = x;
  const down = conv(weights, "encoder.down_blocks.0.1.conv", x, c / 4);
  const y = pixelUnshuffleReference(down.x, [1, h, w, c / 4]);
  const mean = channelShortcutReference(pixelUnshuffleReference(x.x, [1, h, w, c]), 4 * c, c);
  x = add({ h: h / 2, w: w / 2, c, x: y }, mean);
  x = resBlock(weights, "encoder.down_blocks.1.0", x);
  return add(
    conv(weights, "encoder.conv_out", x, latent),
    channelShortcutReference(x.x, c, latent),
  );
}

/** The inverse. */
export function decodeReference(weights: Weights, latents: Plane, c: number): Plane {
  let x = conv(weights, "decoder.conv_in", latents, c);
  x = add(x, channelShortcutReference(latents.x, latents.c, c));
  x = resBlock(weights, "decoder.up_blocks.1.0", x);
  const { h, w } = x;
  const up = conv(weights, "decoder.up_blocks.0.0.conv", x, 4 * c);
  const sum = add(up, channelShortcutReference(x.x, c, 4 * c));
  x = { h: 2 * h, w: 2 * w, c, x: pixelShuffleReference(sum.x, [1, h, w, 4 * c]) };
  x = resBlock(weights, "decoder.up_blocks.0.1", x);
  const normed = norm(weights, "decoder.norm_out", x);
  return conv(
    weights,
    "decoder.conv_out",
    { ...normed, x: normed.x.map((v) => Math.max(0, v)) },
    3,
  );
}
