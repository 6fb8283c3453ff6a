import code from "./merge_attention.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";

const MERGE_ATTENTION = joinKernel("merge_attention", code);

/**
 * Joins the parts of a split `attention`.
 * @param parts [rows, parts, 68] f32 for each query and head: 64 sums, then their maximum and total
 * @param out 64 f32 a row
 * @throws {ShapeError}
 */
export function mergeAttention(p: Program, parts: Tensor, out: Tensor): void {
  const [rows, split, floats] = parts.shape as [number, number, number];
  if (floats !== 68 || size(out.shape) !== 64 * rows) {
    throw new ShapeError(`Cannot merge attention [${parts.shape}] into [${out.shape}]`);
  }
  p.dispatch({
    kernel: MERGE_ATTENTION,
    constants: { SPLIT: split },
    params: { rows },
    buffers: { parts, out },
    groups: grid(16 * rows, 64),
  });
}
