import shuffleCode from "./shuffle_shortcut_backward.wgsl" with { type: "text" };
import unshuffleCode from "./unshuffle_shortcut_backward.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms, updated, updating } from "./memory_forms.ts";

const SHUFFLE = memoryForms("shuffle_shortcut_backward", shuffleCode, ["dy", "dx"]);
const UNSHUFFLE = memoryForms("unshuffle_shortcut_backward", unshuffleCode, ["dy", "dx"]);

/**
 * Adds the gradient through the shortcut of `pixelUnshuffle` to dx.
 * @param dy [B, h, w, N] f32
 * @param dx [B, 2 h, 2 w, C] f32, 4 C a multiple of N
 * @returns dx, or if that is an image another one
 * @throws {ShapeError}
 */
export function unshuffleShortcutBackward(p: Program, dy: Tensor, dx: Tensor): Tensor {
  const [outputs, channels] = [dy.shape.at(-1)!, dx.shape.at(-1)!];
  checkShapes(dx, dy, channels % 4 || 4 * channels % outputs);
  const [to, count] = [updated(p, dx), size(dx.shape) / 4];
  eachLane(p, UNSHUFFLE, count, {
    params: { width: dx.shape[2]!, channels, outputs },
    buffers: { dy, ...updating("dx", dx, to) },
  });
  return to;
}

/**
 * Adds the gradient through the shortcut of `pixelShuffle` to dx.
 * @param dy [B, 2 h, 2 w, N] f32
 * @param dx [B, h, w, C] f32, 4 N a multiple of C
 * @returns dx, or if that is an image another one
 * @throws {ShapeError}
 */
export function shuffleShortcutBackward(p: Program, dy: Tensor, dx: Tensor): Tensor {
  const [outputs, channels] = [dy.shape.at(-1)!, dx.shape.at(-1)!];
  checkShapes(dy, dx, 4 * outputs % channels);
  const [to, count] = [updated(p, dx), size(dx.shape) / 4];
  eachLane(p, SHUFFLE, count, {
    params: { width: dx.shape[2]!, channels, outputs },
    buffers: { dy, ...updating("dx", dx, to) },
  });
  return to;
}

function checkShapes(fine: Tensor, coarse: Tensor, rest: number): void {
  const [b, height, width] = coarse.shape as [number, number, number, number];
  const fits = String(fine.shape.slice(0, 3)) === String([b, 2 * height, 2 * width]);
  if (fits && rest === 0) return;
  throw new ShapeError(`Cannot lead back [${fine.shape}] and [${coarse.shape}]`);
}
