import sumsCode from "./add_sums.wgsl" with { type: "text" };
import code from "./column_sums.wgsl" with { type: "text" };
import { defineKernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";
import type { Matrix } from "./matmul.ts";

const COLUMN_SUMS = memoryForms("column_sums", code, ["x"]);
const ADD_SUMS = defineKernel("add_sums", sumsCode);

/** Rows per lane in the first pass. */
export const SUM_CHUNK = 64;

/** Part of a tensor, from float `first` on. */
export interface Place {
  readonly tensor: Tensor;
  readonly first: number;
}

/**
 * target += sums of the columns of x, in two passes of a fixed order: a bias's gradient.
 * @param partial scratch of at least ceil(rows / SUM_CHUNK) x columns floats
 */
export function columnSums(
  p: Program,
  { tensor, first = 0, stride }: Matrix,
  [rows, columns]: readonly [number, number],
  target: Place,
  partial: Tensor,
): void {
  if (rows === 0) return;
  const chunks = Math.ceil(rows / SUM_CHUNK);
  dispatchForm(p, COLUMN_SUMS, {
    params: {
      rows,
      columns: columns / 4,
      stride: stride / 4,
      first: first / 4,
      chunk: SUM_CHUNK,
    },
    buffers: { x: tensor, partial },
    groups: [Math.ceil(columns / 32), chunks, 1],
  });
  addSums(p, partial, [chunks, columns], target);
}

/** target += sum over chunks of partial [chunks, columns], one chunk after the other. */
export function addSums(
  p: Program,
  partial: Tensor,
  [chunks, columns]: readonly [number, number],
  { tensor, first }: Place,
): void {
  p.dispatch({
    kernel: ADD_SUMS,
    params: { columns: columns / 4, chunks, first: first / 4 },
    buffers: { partial, y: tensor },
    groups: [Math.ceil(columns / 32), 1, 1],
  });
}
