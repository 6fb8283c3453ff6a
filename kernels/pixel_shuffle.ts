import code from "./pixel_shuffle.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const PIXEL_SHUFFLE = memoryForms("pixel_shuffle", code, ["x", "shortcut", "y"]);

/**
 * Doubles height and width, four channels to four places, (channel, row, column) with the column
 * fastest; adds `shortcut`, treated the same way with its channels repeated.
 * @param x [B, h, w, 4 N] f32
 * @param shortcut [B, h, w, C] f32, 4 N a multiple of C
 * @returns [B, 2 h, 2 w, N padded to a multiple of 4] f32
 * @throws {ShapeError}
 * Source: diffusers `DCUpBlock2d`.
 */
export function pixelShuffle(p: Program, x: Tensor, shortcut?: Tensor): Tensor {
  const [b, height, width, channels] = x.shape as [number, number, number, number];
  if (x.shape.length !== 4 || channels % 4) {
    throw new ShapeError(`Cannot shuffle x [${x.shape}]: needs a multiple of 4 channels`);
  }
  const from = shortcut?.shape.at(-1) ?? 0;
  const same = !shortcut || String(shortcut.shape.slice(0, 3)) === String(x.shape.slice(0, 3));
  if (!same || (shortcut && channels % from)) {
    throw new ShapeError(`Cannot shuffle [${shortcut?.shape}] with x [${x.shape}]`);
  }
  const n4 = Math.ceil(channels / 16);
  const y = p.like(x, [b, 2 * height, 2 * width, 4 * n4]);
  const count = size(y.shape) / 16;
  eachLane(p, PIXEL_SHUFFLE, count, {
    constants: { SHORTCUT: Number(shortcut !== undefined) },
    params: { width, channels: channels / 4, shortcut: from },
    buffers: { x, shortcut: shortcut ?? x, y },
  });
  return y;
}
