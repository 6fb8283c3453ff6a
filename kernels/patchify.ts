import code from "./patchify.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";

const PATCHIFY = joinKernel("patchify", code);

/**
 * Cuts latents into tokens, '(c p1 p2)' per token, tokens ordered frame, row, column.
 * @param latents [videos, capacity, c, h, w] f32; frame i lies at i modulo capacity
 * @param frames [B, F] of `Frame`: index; B is a multiple of videos
 * @returns [B, F, T, c P P] f32
 * @throws {ShapeError} when h or w is not a multiple of the patch size
 */
export function patchify(p: Program, latents: Tensor, frames: Tensor, patch: number): Tensor {
  const [videos, capacity, channels, height, width] = latents.shape as number[];
  const [batch, count] = frames.shape as number[];
  if (height! % patch || width! % patch || batch! % videos!) {
    throw new ShapeError(`Cannot patchify latents [${latents.shape}] by ${patch}`);
  }
  const perFrame = height! * width! / patch ** 2;
  const tokens = p.scratch([batch!, count!, perFrame, channels! * patch ** 2]);
  const elements = size(tokens.shape);
  eachLane(p, PATCHIFY, elements, {
    params: {
      frames: count!,
      videos: videos!,
      capacity: capacity!,
      channels: channels!,
      height: height!,
      width: width!,
      patch_size: patch,
    },
    buffers: { latents, frames, tokens },
  });
  return tokens;
}
