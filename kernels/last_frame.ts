import code from "./last_frame.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";

const LAST_FRAME = defineKernel("last_frame", code);

/**
 * The last frame of each video; x itself if it has only one frame.
 * @param x [B, F, T, d] f32, d a multiple of 4
 * @returns [B, 1, T, d] f32
 * @throws {ShapeError}
 */
export function lastFrame(p: Program, x: Tensor): Tensor {
  const [batch, frames, tokens, d] = x.shape as [number, number, number, number];
  if (x.shape.length !== 4 || d % 4) throw new ShapeError(`Cannot take a frame of x [${x.shape}]`);
  if (frames === 1) return x;
  const y = p.scratch([batch, 1, tokens, d]);
  const count = size(y.shape) / 4;
  p.dispatch({
    kernel: LAST_FRAME,
    params: { count, frames, size: tokens * d / 4 },
    buffers: { x, y },
    groups: [Math.ceil(count / 64), 1, 1],
  });
  return y;
}
