import backwardCode from "./class_table_backward.wgsl" with { type: "text" };
import code from "./class_table.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import type { Place } from "./column_sums.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const CLASS_TABLE = memoryForms("class_table", code, ["x", "y"]);
const CLASS_TABLE_BACKWARD = memoryForms("class_table_backward", backwardCode, ["dx"]);

/** Rows of classes: [rows] u32 indices into a table of `classes` rows of `width` floats. */
export interface ClassRows {
  readonly index: Tensor;
  readonly rows: number;
  readonly classes: number;
  readonly width: number;
}

/** y[row] = x[row] + table[class of row]. */
export function addClasses(
  p: Program,
  { tensor: table, first }: Place,
  { x, y }: Readonly<Record<"x" | "y", Tensor>>,
  { index, rows, width }: ClassRows,
): void {
  eachLane(p, CLASS_TABLE, rows * width / 4, {
    params: { width: width / 4, first: first / 4 },
    buffers: { index, table, x, y },
  });
}

/** dtable[class] += sum of dx over the rows of the class, in their order. */
export function addClassesBackward(
  p: Program,
  dx: Tensor,
  { tensor: dtable, first }: Place,
  { index, rows, classes, width }: ClassRows,
): void {
  eachLane(p, CLASS_TABLE_BACKWARD, classes * width / 4, {
    params: { rows, width: width / 4, first: first / 4 },
    buffers: { index, dx, dtable },
  });
}
