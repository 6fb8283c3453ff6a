import code from "./layer_norm.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";

const LAYER_NORM = defineKernel("layer_norm", code);

/** adaLN numbers of the frames of a pass. */
export interface Modulation {
  /** [R, width] f32: one row per (timestep, class). */
  readonly table: Tensor;
  /** Per (batch, frame) of the pass: modulation row, frame position, cache slot, visible keys. */
  readonly frames: Tensor;
  /** Rows of x per frame. */
  readonly tokens: number;
}

/** adaLN: LN(x) (1 + scale) + shift, with both at these offsets of a row of the table. */
export interface Norm extends Modulation {
  readonly shift: number;
  readonly scale: number;
}

export interface LayerNormOptions extends Norm {
  /** First frame to keep (0). */
  readonly first?: number;
}

/**
 * y = LN(x) * (1 + scale) + shift, without weights, eps 1e-6, modulated per frame.
 * @param x [B, F, T, d] f32
 * @returns [B, F - first, T, d] f32
 * @throws {ShapeError}
 */
export function layerNorm(p: Program, x: Tensor, options: LayerNormOptions): Tensor {
  const { table, shift, scale, first = 0 } = options;
  const [batch, frames, tokens, d] = x.shape as [number, number, number, number];
  const [rows, stride] = table.shape;
  if (x.shape.length !== 4 || d % 4 || Math.max(shift, scale) + d > stride! || first >= frames) {
    throw new ShapeError(`Cannot normalise x [${x.shape}] with a table [${rows}, ${stride}]`);
  }
  const y = p.scratch([batch, frames - first, tokens, d]);
  p.dispatch({
    kernel: LAYER_NORM,
    // one subgroup on CPUs, whose barriers between several cost more than the sums
    constants: { WG: p.device.cpu ? 8 : 64 },
    params: { d, tokens, frames, first, stride: stride!, shift, scale, eps: 1e-6 },
    buffers: { x, table, frames: options.frames, y },
    groups: [batch * (frames - first) * tokens, 1, 1],
  });
  return y;
}
