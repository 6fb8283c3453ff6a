import code from "./class_embedding.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";

const CLASS_EMBEDDING = joinKernel("class_embedding", code);

export interface ClassEmbeddingOptions {
  /** [entries, width] f32; undefined for a model without classes. */
  readonly table: Tensor | undefined;
  /** [rows] u32; an index beyond the table means no class. */
  readonly index: Tensor;
  readonly activation?: "silu";
}

/**
 * y = act(x + table[index]).
 * @param x [rows, width] f32
 * @throws {ShapeError} when the table has another width
 */
export function classEmbedding(p: Program, x: Tensor, options: ClassEmbeddingOptions): Tensor {
  const { table, index, activation } = options;
  const [rows, width] = x.shape as [number, number];
  if (table && table.shape[1] !== width) {
    throw new ShapeError(`Cannot embed classes: table [${table.shape}] for x [${x.shape}]`);
  }
  const y = p.scratch([rows, width]);
  eachLane(p, CLASS_EMBEDDING, rows * width, {
    constants: { SILU: Number(activation === "silu") },
    params: { width, entries: table?.shape[0] ?? 0 },
    buffers: { x, table: table ?? x, index, y },
  });
  return y;
}
