import squaresCode from "./sum_of_squares.wgsl" with { type: "text" };
import code from "./total.wgsl" with { type: "text" };
import { defineKernel } from "../gpu/kernel.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";
import { imageForm } from "./memory_forms.ts";

const TOTAL = defineKernel("total", code);
const SUM_OF_SQUARES = joinKernel("sum_of_squares", squaresCode);
const SUM_OF_SQUARES_IMAGE = imageForm(SUM_OF_SQUARES, ["x"]);

/** Floats per lane in the first pass. */
const SQUARES_CHUNK = 256;

/** Target of a sum. */
export interface Slot {
  readonly results: Tensor;
  readonly slot: number;
}

/** results[slot] += the sum of `count` numbers, in a fixed order. */
export function total(p: Program, partial: Tensor, count: number, { results, slot }: Slot): void {
  p.dispatch({
    kernel: TOTAL,
    params: { count, slot },
    buffers: { partial, results },
    groups: [1, 1, 1],
  });
}

/** Floats of scratch that `sumOfSquares` needs for these tensors. */
export function squaresScratch(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { shape }) => sum + Math.ceil(size(shape) / SQUARES_CHUNK), 0);
}

/**
 * results[slot] += the sum of the squares of all numbers of the tensors, in two passes.
 * @param image where software adapters read a tensor, copied; none: it is read where it is
 */
export function sumOfSquares(
  p: Program,
  tensors: readonly Tensor[],
  partial: Tensor,
  slot: Slot,
  image?: Tensor,
): void {
  let first = 0;
  for (const x of tensors) {
    const count = size(x.shape);
    const chunks = Math.ceil(count / SQUARES_CHUNK);
    if (image) p.copyToTexture(x, image);
    p.dispatch({
      kernel: image ? SUM_OF_SQUARES_IMAGE : SUM_OF_SQUARES,
      label: "sum_of_squares",
      params: { count: count / 4, chunk: SQUARES_CHUNK / 4, first },
      buffers: { x: image ?? x, partial },
      groups: grid(chunks, 64),
    });
    first += chunks;
  }
  total(p, partial, first, slot);
}
