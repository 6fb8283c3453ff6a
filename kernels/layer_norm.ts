import code from "./layer_norm.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { type MemoryKind, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const LAYER_NORM = memoryForms("layer_norm", code, ["y"]);

/** adaLN modulation of the frames of a pass. */
export interface Modulation {
  /** [R, width] f32: one row per (timestep, class). */
  readonly table: Tensor;
  /** [B, F] of `Frame`: row. */
  readonly frames: Tensor;
  /** Rows of x per frame. */
  readonly tokens: number;
}

/**
 * adaLN: LN(x) (1 + scale) + shift, with scale and shift at these offsets in a row of the table.
 */
export interface Norm extends Modulation {
  readonly shift: number;
  readonly scale: number;
}

/**
 * y = LN(x) * (1 + scale) + shift, without weights, eps 1e-6, modulated per frame.
 * @param x [B, F, T, d] f32
 * @param kind of memory for y
 * @returns [B, F, T, d] f32
 * @throws {ShapeError}
 */
export function layerNorm(
  p: Program,
  x: Tensor,
  { table, frames, tokens, ...at }: Norm,
  kind: MemoryKind = "storage",
): Tensor {
  const d = x.shape.at(-1)!;
  const [rows, stride] = table.shape;
  if (x.shape.length !== 4 || d % 4 || Math.max(at.shift, at.scale) + d > stride!) {
    throw new ShapeError(`Cannot normalise x [${x.shape}] with a table [${rows}, ${stride}]`);
  }
  const y = p.scratch(x.shape, "f32", kind);
  const count = size(x.shape) / d;
  dispatchForm(p, LAYER_NORM, {
    params: { rows: count, d, tokens, stride: stride!, ...at, eps: 1e-6 },
    buffers: { x, table, frames, y },
    groups: grid(count, 1),
  });
  return y;
}
