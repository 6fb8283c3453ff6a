import { ShapeError } from "../gpu/errors.ts";
import { type MemoryKind, type Tensor, TEXTURE_ROW_BYTES } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { type DeviceProfile, tensorKind } from "../gpu/tuning.ts";
import { channelNorm } from "../kernels/channel_norm.ts";
import { channelShortcut } from "../kernels/channel_shortcut.ts";
import { conv2d } from "../kernels/conv2d.ts";
import {
  blocks,
  downBlock,
  loadBlocks,
  loadDownBlock,
  loadNorm,
  loadUpBlock,
  upBlock,
} from "./autoencoder_blocks.ts";
import type { AutoencoderSizes, Stage } from "./autoencoder_config.ts";
import type { Loader } from "./loader.ts";

const RGB = 3;
/** Channels within an EfficientViTBlock, per channel of its input. */
const GATED = 8;
/** Bytes: WebGPU allows 8192 rows everywhere. */
const LARGEST_IMAGE = 8192 * TEXTURE_ROW_BYTES;

/** Weights of both halves; keys are the checkpoint's. */
export function loadAutoencoder(l: Loader, sizes: AutoencoderSizes) {
  return {
    encoder: loadEncoder(l.at("encoder"), sizes),
    decoder: loadDecoder(l.at("decoder"), sizes),
  };
}

export type AutoencoderWeights = ReturnType<typeof loadAutoencoder>;

/**
 * The finest stage that exists; if the first one is empty, the first convolution halves the size.
 */
export function finest(stages: readonly Stage[]): { skipped: boolean; channels: number } {
  const skipped = stages[0]!.layers === 0;
  return { skipped, channels: stages[skipped ? 1 : 0]!.channels };
}

/**
 * The kind of memory for pictures of so many pixels and what is made of them: images where the device
 * gathers from these, unless an activation is larger than what every device allows.
 */
export function activationKind(
  device: DeviceProfile,
  { encoder, decoder }: AutoencoderSizes,
  pixels: number,
): MemoryKind {
  const of = ({ channels, kind }: Stage, i: number) =>
    pixels / 4 ** i * channels * (kind === "ResBlock" ? 1 : GATED);
  const most = Math.max(...encoder.map(of), ...decoder.map(of));
  return 4 * most > LARGEST_IMAGE ? "storage" : tensorKind(device);
}

/** Weights of the encoder. */
function loadEncoder(l: Loader, { encoder, latentChannels, headDim }: AutoencoderSizes) {
  const { skipped, channels } = finest(encoder);
  return {
    skipped,
    conv_in: skipped
      ? loadDownBlock(l.at("conv_in"), RGB, channels)
      : l.conv("conv_in", [channels, RGB], { size: 3 }),
    down_blocks: encoder.map((stage, i) => {
      const scope = l.at(`down_blocks.${i}`);
      const coarser = encoder[i + 1];
      return {
        blocks: loadBlocks(scope, stage, headDim, 0),
        down: coarser && stage.layers > 0
          ? loadDownBlock(scope.at(String(stage.layers)), stage.channels, coarser.channels)
          : undefined,
      };
    }),
    conv_out: l.conv("conv_out", [latentChannels, encoder.at(-1)!.channels], { size: 3 }),
  };
}

export type EncoderWeights = ReturnType<typeof loadEncoder>;

/** Weights of the decoder. */
function loadDecoder(l: Loader, { decoder, latentChannels, headDim }: AutoencoderSizes) {
  const { skipped, channels } = finest(decoder);
  return {
    skipped,
    conv_in: l.conv("conv_in", [decoder.at(-1)!.channels, latentChannels], { size: 3 }),
    up_blocks: decoder.map((stage, i) => {
      const scope = l.at(`up_blocks.${i}`);
      const coarser = stage.layers > 0 ? decoder[i + 1] : undefined;
      return {
        up: coarser && loadUpBlock(scope.at("0"), coarser.channels, stage.channels),
        blocks: loadBlocks(scope, stage, headDim, coarser ? 1 : 0),
      };
    }),
    norm_out: loadNorm(l.at("norm_out"), channels),
    conv_out: skipped
      ? loadUpBlock(l.at("conv_out"), channels, RGB)
      : l.conv("conv_out", [RGB, channels], { size: 3 }),
  };
}

export type DecoderWeights = ReturnType<typeof loadDecoder>;

/** The encoder's first convolution: [B, H, W, 4] to the finest stage's channels. */
export function encoderIn(p: Program, w: EncoderWeights, image: Tensor): Tensor {
  if (w.skipped) return downBlock(p, w.conv_in, image, { shortcut: false });
  return conv2d(p, w.conv_in, image, { label: "conv_in" });
}

/** One stage of the encoder; it may overwrite `x`. */
export function encoderStage(
  p: Program,
  { blocks: w, down }: EncoderWeights["down_blocks"][number],
  x: Tensor,
): Tensor {
  return p.scope(() => {
    const y = blocks(p, w, x);
    return down ? downBlock(p, down, y, { shortcut: true }) : y;
  });
}

/** The encoder's last convolution, plus means of groups of channels. */
export function encoderOut(p: Program, w: EncoderWeights, x: Tensor): Tensor {
  const y = channelShortcut(p, x, w.conv_out.outputs);
  return conv2d(p, w.conv_out, x, { into: y, label: "conv_out" });
}

/**
 * Images to unscaled latents.
 * @param image [B, H, W, 4] f32 from -1 to 1, the fourth channel zero
 * @returns [B, h, w, latent channels] f32
 * @throws {ShapeError} when H or W is not a multiple of the compression
 * Source: released `MyAutoencoderDC.encode`.
 */
export function encode(p: Program, { encoder }: AutoencoderWeights, image: Tensor): Tensor {
  checkImage(image.shape, 2 ** (encoder.down_blocks.length - 1));
  return p.scope(() => {
    let x = encoderIn(p, encoder, image);
    for (const stage of encoder.down_blocks) x = encoderStage(p, stage, x);
    return encoderOut(p, encoder, x);
  });
}

function checkImage([, height, width]: readonly number[], compression: number): void {
  if (height! % compression === 0 && width! % compression === 0) return;
  throw new ShapeError(
    `Cannot encode images of ${width} x ${height}: both must be multiples of ${compression}`,
  );
}

/** The decoder's first convolution, plus the latents' channels repeated. */
export function decoderIn(p: Program, w: DecoderWeights, latents: Tensor): Tensor {
  const y = channelShortcut(p, latents, w.conv_in.outputs);
  return conv2d(p, w.conv_in, latents, { into: y, label: "conv_in" });
}

/** One stage of the decoder; it may overwrite `x`. */
export function decoderStage(
  p: Program,
  { up, blocks: w }: DecoderWeights["up_blocks"][number],
  x: Tensor,
): Tensor {
  return p.scope(() => blocks(p, w, up ? upBlock(p, up, x, { shortcut: true }) : x));
}

/** The decoder's norm, ReLU and last convolution: [B, H, W, 4]. */
export function decoderOut(p: Program, w: DecoderWeights, x: Tensor): Tensor {
  return p.scope(() => {
    const normed = channelNorm(p, w.norm_out, x, { activation: "relu" });
    if (w.skipped) return upBlock(p, w.conv_out, normed, { shortcut: false });
    return conv2d(p, w.conv_out, normed, { label: "conv_out" });
  });
}

/**
 * Unscaled latents to images.
 * @param latents [B, h, w, latent channels] f32
 * @returns [B, H, W, 4] f32, about -1 to 1, the fourth channel zero
 * Source: released `MyAutoencoderDC.decode`.
 */
export function decode(p: Program, { decoder }: AutoencoderWeights, latents: Tensor): Tensor {
  return p.scope(() => {
    let x = decoderIn(p, decoder, latents);
    for (const stage of decoder.up_blocks.toReversed()) x = decoderStage(p, stage, x);
    return decoderOut(p, decoder, x);
  });
}
