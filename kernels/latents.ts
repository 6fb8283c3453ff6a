import readCode from "./read_latents.wgsl" with { type: "text" };
import writeCode from "./write_latents.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";

const READ_LATENTS = joinKernel("read_latents", readCode);
const WRITE_LATENTS = joinKernel("write_latents", writeCode);

/** A selection of frames of the latents, which may change from run to run. */
export interface LatentFrames {
  /** [..., C, h, w] f32. */
  readonly latents: Tensor;
  /** [B] u32, counted along all leading axes of `latents` together. */
  readonly frames: Tensor;
  /** Factor of the values. */
  readonly scale: number;
}

/**
 * Reads the selected frames, channels last.
 * @returns [B, h, w, C] f32
 * @throws {ShapeError}
 */
export function readLatents(p: Program, selection: LatentFrames): Tensor {
  const { latents, frames } = selection;
  const [channels, height, width] = latents.shape.slice(-3) as [number, number, number];
  const y = p.scratch([frames.shape[0]!, height, width, channels]);
  const { count, params } = counts(selection, y);
  eachLane(p, READ_LATENTS, count, { params, buffers: { latents, frames, y } });
  return y;
}

/**
 * Writes [B, h, w, C] to the selected frames.
 * @throws {ShapeError}
 */
export function writeLatents(p: Program, x: Tensor, selection: LatentFrames): void {
  const { latents, frames } = selection;
  const { count, params } = counts(selection, x);
  eachLane(p, WRITE_LATENTS, count, { params, buffers: { x, frames, latents } });
}

function counts({ latents, frames, scale }: LatentFrames, pixels: Tensor) {
  const [channels, height, width] = latents.shape.slice(-3) as [number, number, number];
  const expected = [frames.shape[0], height, width, channels];
  if (latents.shape.length < 3 || String(pixels.shape) !== String(expected)) {
    throw new ShapeError(`Cannot move latents [${latents.shape}] to or from [${pixels.shape}]`);
  }
  const of = size(latents.shape.slice(0, -3));
  const params = { pixels: height * width, channels, frames: of, scale };
  return { count: size(pixels.shape), params };
}
