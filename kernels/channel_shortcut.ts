import code from "./channel_shortcut.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms, updated, updating } from "./memory_forms.ts";

const CHANNEL_SHORTCUT = memoryForms("channel_shortcut", code, ["x", "y"]);

/**
 * Changes the number of channels without weights: averages neighbours or repeats each.
 * @param x [..., C] f32
 * @param channels divides C, or is a multiple of it; a multiple of 4
 * @returns [..., channels] f32, always a new tensor
 * @throws {ShapeError}
 * Source: diffusers `Encoder` (out_shortcut) and `Decoder` (in_shortcut) of AutoencoderDC.
 */
export function channelShortcut(p: Program, x: Tensor, channels: number): Tensor {
  checkChannels(x, channels);
  const y = p.like(x, [...x.shape.slice(0, -1), channels]);
  const averaged = Math.max(1, x.shape.at(-1)! / channels);
  run(p, x, x, y, { scale: 1 / averaged, added: 0 });
  return y;
}

/**
 * Adds the gradient of `channelShortcut` from dx's channels to dy's to dx.
 * @returns dx, or if that is an image another one
 * @throws {ShapeError}
 */
export function channelShortcutBackward(p: Program, dy: Tensor, dx: Tensor): Tensor {
  const [from, channels] = [dx.shape.at(-1)!, dy.shape.at(-1)!];
  checkChannels(dy, from);
  const to = updated(p, dx);
  run(p, dy, dx, to, { scale: Math.min(1, channels / from), added: 1 });
  return to;
}

function checkChannels(x: Tensor, channels: number): void {
  const from = x.shape.at(-1)!;
  if (channels % 4 === 0 && (from % channels === 0 || channels % from === 0)) return;
  throw new ShapeError(`Cannot bring x [${x.shape}] to ${channels} channels`);
}

function run(
  p: Program,
  x: Tensor,
  onto: Tensor,
  y: Tensor,
  options: { readonly scale: number; readonly added: number },
): void {
  const count = size(y.shape) / 4;
  eachLane(p, CHANNEL_SHORTCUT, count, {
    params: { inputs: x.shape.at(-1)!, outputs: y.shape.at(-1)!, ...options },
    buffers: { x, ...updating("y", onto, y) },
  });
}
