import code from "./gated_add.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { Program } from "../gpu/program.ts";
import type { Modulation } from "./layer_norm.ts";

const GATED_ADD = defineKernel("gated_add", code);

/**
 * y += gate * x, per frame: the residual of an attention that has no output projection.
 * @param x [B, F, T, d] f32
 * @throws {ShapeError} when y has another shape
 */
export function gatedAdd(
  p: Program,
  x: Tensor,
  y: Tensor,
  gate: Modulation & { offset: number },
): void {
  expectShape("gated add", y, x.shape);
  const count = size(x.shape) / 4;
  p.dispatch({
    kernel: GATED_ADD,
    params: {
      count,
      d: x.shape.at(-1)!,
      tokens: gate.tokens,
      stride: gate.table.shape[1]!,
      offset: gate.offset,
    },
    buffers: { x, gate: gate.table, frames: gate.frames, y },
    groups: [Math.ceil(count / 64), 1, 1],
  });
}
