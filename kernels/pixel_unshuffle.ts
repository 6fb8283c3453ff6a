import code from "./pixel_unshuffle.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const PIXEL_UNSHUFFLE = memoryForms("pixel_unshuffle", code, ["x", "shortcut", "y"]);

/**
 * Halves height and width, four places to four channels, (channel, row, column) with the column
 * fastest; adds `shortcut`, treated the same way and averaged over groups of channels.
 * @param x [B, 2 h, 2 w, channels / 4 rounded up to 4] f32
 * @param channels of the result, a multiple of 4
 * @param shortcut [B, 2 h, 2 w, C] f32, 4 C a multiple of `channels`
 * @returns [B, h, w, channels] f32
 * @throws {ShapeError} also for an odd height or width
 * Source: diffusers `DCDownBlock2d`.
 */
export function pixelUnshuffle(
  p: Program,
  x: Tensor,
  channels: number,
  shortcut?: Tensor,
): Tensor {
  const [b, height, width, stride] = x.shape as [number, number, number, number];
  const fits = x.shape.length === 4 && height % 2 === 0 && width % 2 === 0 && channels % 4 === 0 &&
    stride >= channels / 4;
  if (!fits) throw new ShapeError(`Cannot unshuffle x [${x.shape}] to ${channels} channels`);
  const from = shortcut?.shape.at(-1) ?? 0;
  const same = !shortcut || String(shortcut.shape.slice(0, 3)) === String(x.shape.slice(0, 3));
  if (!same || 4 * from % channels) {
    throw new ShapeError(
      `Cannot unshuffle [${shortcut?.shape}] with x [${x.shape}] to ${channels}`,
    );
  }
  const y = p.like(x, [b, height / 2, width / 2, channels]);
  const count = size(y.shape) / 4;
  eachLane(p, PIXEL_UNSHUFFLE, count, {
    constants: { SHORTCUT: Number(shortcut !== undefined) },
    params: { height: height / 2, width: width / 2, channels, stride, shortcut: from },
    buffers: { x, shortcut: shortcut ?? x, y },
  });
  return y;
}
