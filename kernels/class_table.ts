import code from "./class_table.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import type { Place } from "./column_sums.ts";
import { grid } from "./grid.ts";

const CLASS_TABLE = joinKernel("class_table", code);

/** Rows of classes: [rows] u32 indices into a table of `classes` rows of `width` floats. */
export interface ClassRows {
  readonly index: Tensor;
  readonly rows: number;
  readonly classes: number;
  readonly width: number;
}

/** x[row] += table[class of row]. */
export function addClasses(p: Program, table: Place, x: Tensor, of: ClassRows): void {
  run(p, 0, of, { source: table.tensor, to: x, first: table.first });
}

/** dtable[class] += sum of dx over the rows of the class, in their order. */
export function addClassesBackward(p: Program, dx: Tensor, dtable: Place, of: ClassRows): void {
  run(p, 1, of, { source: dx, to: dtable.tensor, first: dtable.first });
}

function run(
  p: Program,
  BACKWARD: number,
  { index, rows, classes, width }: ClassRows,
  { first, ...buffers }: { readonly source: Tensor; readonly to: Tensor; readonly first: number },
): void {
  p.dispatch({
    kernel: CLASS_TABLE,
    label: BACKWARD ? "class table backward" : "class table",
    constants: { BACKWARD },
    params: { rows, classes, width: width / 4, first: first / 4 },
    buffers: { index, ...buffers },
    groups: grid((BACKWARD ? classes : rows) * width / 4, 64),
  });
}
