import code from "./channel_shortcut.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";

const CHANNEL_SHORTCUT = defineKernel("channel_shortcut", code);

/**
 * Another number of channels without weights: means of neighbouring ones, or each repeated.
 * @param x [..., C] f32
 * @param channels divides C, or is a multiple of it; a multiple of 4
 * @returns [..., channels] f32, a tensor of its own even where nothing changes
 * @throws {ShapeError}
 * Source: diffusers `Encoder` (out_shortcut) and `Decoder` (in_shortcut) of AutoencoderDC.
 */
export function channelShortcut(p: Program, x: Tensor, channels: number): Tensor {
  const from = x.shape.at(-1)!;
  if (channels % 4 || (from % channels && channels % from)) {
    throw new ShapeError(`Cannot bring x [${x.shape}] to ${channels} channels`);
  }
  const y = p.scratch([...x.shape.slice(0, -1), channels]);
  const count = size(y.shape);
  p.dispatch({
    kernel: CHANNEL_SHORTCUT,
    params: { count, inputs: from, outputs: channels },
    buffers: { x, y },
    groups: grid(count, 64),
  });
  return y;
}
