import type { Memory, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { classEmbedding } from "../kernels/class_embedding.ts";
import { linear } from "../kernels/linear.ts";
import type { FarSizes } from "./config.ts";
import { TIMESTEP_WIDTH, timestepProjection } from "./embeddings.ts";
import type { ModulationTables, TransformerWeights } from "./transformer.ts";

/** Timesteps of frames that are not denoised: clean frames and long-term context patches. */
export const CLEAN = -1;
export const CONTEXT = -2;

/** Every (timestep, class) of a run, numbered: the rows of its modulation tables. */
export class ModulationRows {
  readonly #rows = new Map<string, number>();
  readonly #timesteps: number[] = [];
  readonly #classes: number[] = [];

  /** Adds a row unless it exists. */
  add(timestep: number, classIndex: number): void {
    const key = `${timestep} ${classIndex}`;
    if (this.#rows.has(key)) return;
    this.#rows.set(key, this.#timesteps.length);
    this.#timesteps.push(timestep);
    this.#classes.push(classIndex);
  }

  /** @throws {RangeError} for a pair that was not added */
  row(timestep: number, classIndex: number): number {
    const row = this.#rows.get(`${timestep} ${classIndex}`);
    if (row !== undefined) return row;
    throw new RangeError(`Cannot modulate: timestep ${timestep}, class ${classIndex} has no row`);
  }

  get count(): number {
    return this.#timesteps.length;
  }

  /** [rows, 256] sinusoids. */
  projections(): Float32Array {
    const out = new Float32Array(this.count * TIMESTEP_WIDTH);
    for (const [i, t] of this.#timesteps.entries()) {
      out.set(timestepProjection(t), i * TIMESTEP_WIDTH);
    }
    return out;
  }

  /** [rows] class indices. */
  classes(): Uint32Array {
    return Uint32Array.from(this.#classes);
  }
}

/** Declares the tables of a run with this many rows. */
export function declareTables(memory: Memory, sizes: FarSizes, rows: number): ModulationTables {
  return {
    blocks: Array.from(
      { length: sizes.layers },
      (_, i) => memory.tensor(`modulation ${i}`, [rows, 6 * sizes.d]),
    ),
    out: memory.tensor("modulation out", [rows, 2 * sizes.d]),
  };
}

/** Inputs of the program that fills the tables. */
export interface TableInputs {
  /** [rows, 256] f32. */
  readonly projections: Tensor;
  /** [rows] u32. */
  readonly classes: Tensor;
}

/**
 * temb = Linear(SiLU(Linear(sinusoid(t)))) + class embedding.
 * @returns [rows, d], after SiLU if asked, as every adaLN projection needs it
 */
export function timestepEmbedding(
  p: Program,
  w: TransformerWeights,
  { projections, classes }: TableInputs,
  activation?: "silu",
): Tensor {
  const { linear_1, linear_2 } = w.timestep_embedder;
  const hidden = linear(p, linear_1, projections, { output: "silu" });
  const temb = linear(p, linear_2, hidden);
  return classEmbedding(p, temb, { table: w.classes, index: classes, activation });
}

/** Fills the tables: one matmul per block for all steps and classes of a run. */
export function recordTables(
  p: Program,
  w: TransformerWeights,
  tables: ModulationTables,
  inputs: TableInputs,
): void {
  p.scope(() => {
    const temb = timestepEmbedding(p, w, inputs, "silu");
    for (const [i, { modulation }] of w.blocks.entries()) {
      linear(p, modulation, temb, { to: tables.blocks[i]!, label: "modulation" });
    }
    linear(p, w.norm_out.linear, temb, { to: tables.out, label: "modulation" });
  });
}
