import code from "./linear.wgsl" with { type: "text" };
import broadcastCode from "./linear_broadcast.wgsl" with { type: "text" };
import exchangeCode from "./shared/broadcast.wgsl" with { type: "text" };
import sharedCode from "./shared/linear.wgsl" with { type: "text" };
import weightsCode from "./shared/weights.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { type LinearTuning, linearTuning } from "../gpu/tuning.ts";

const LINEAR = defineKernel("linear", weightsCode + sharedCode + code);
const LINEAR_BROADCAST = defineKernel(
  "linear_broadcast",
  weightsCode + exchangeCode + sharedCode + broadcastCode,
);
/** Rows and columns of a tile, and columns of a workgroup of the broadcasting form. */
const TILE = 32;
const BROADCAST_COLUMNS = 64;

/** Weights of a linear layer as `packWeight` lays them out. */
export interface LinearWeights {
  /** As `packedShape(inputs, outputs)` says, f32 or f16; an image where kernels broadcast. */
  readonly weight: Tensor;
  /** [outputs rounded up to 8] f32. */
  readonly bias?: Tensor;
  readonly inputs: number;
  readonly outputs: number;
}

/** adaLN numbers of the frames of a pass. */
export interface Modulation {
  /** [R, width] f32: one row per (timestep, class). */
  readonly table: Tensor;
  /** Per (batch, frame) of the pass: modulation row, frame position, cache slot, visible keys. */
  readonly frames: Tensor;
  /** Rows of x per frame. */
  readonly tokens: number;
}

export interface LinearOptions {
  /** Where to write; a new tensor when absent. */
  readonly to?: Tensor;
  readonly output?: "gelu" | "silu";
  /** y += value, or y += gate * value with the gate at this offset of the table. */
  readonly into?: { readonly y: Tensor; readonly gate?: Modulation & { readonly offset: number } };
  readonly label?: string;
  /** How work is divided; chosen by device and shape when absent. */
  readonly tuning?: Partial<LinearTuning>;
}

const OUTPUTS = { none: 0, gelu: 1, silu: 2 } as const;

/**
 * y = act(x W + b), optionally added to `into.y`, gated per frame.
 * @param x [..., inputs] f32, inputs a multiple of 4
 * @returns [..., outputs] f32 (rows padded to a multiple of 4 floats)
 * @throws {ShapeError}
 */
export function linear(
  p: Program,
  w: LinearWeights,
  x: Tensor,
  options: LinearOptions = {},
): Tensor {
  const rows = x.shape.slice(0, -1);
  const m = rows.reduce((a, b) => a * b, 1);
  const { inputs: k, outputs: n } = w;
  if (x.shape.at(-1) !== k || k % 4) {
    throw new ShapeError(`Cannot run linear ${k} -> ${n} on x [${x.shape}]: needs [..., ${k}]`);
  }
  const { into, label } = options;
  const y = into?.y ?? options.to ?? p.scratch([...rows, Math.ceil(n / 4) * 4]);
  const gate = into?.gate;
  const { dtype } = w.weight;
  const choice = { ...linearTuning(p.device, { m, k, n, dtype }), ...options.tuning };
  const broadcast = w.weight.buffer.kind === "image";
  p.dispatch({
    kernel: broadcast ? LINEAR_BROADCAST : LINEAR,
    label,
    constants: {
      ...(broadcast ? { ROWS: choice.rows } : { SLICES: choice.slices }),
      F16: Number(dtype === "f16"),
    },
    params: {
      m,
      k,
      n,
      biased: Number(w.bias !== undefined),
      output: OUTPUTS[options.output ?? "none"],
      residual: gate ? 2 : into ? 1 : 0,
      tokens: gate?.tokens ?? 1,
      gate_stride: gate?.table.shape[1] ?? 0,
      gate_offset: gate?.offset ?? 0,
    },
    buffers: {
      x,
      w: w.weight,
      bias: w.bias ?? x,
      gate: gate?.table ?? x,
      frames: gate?.frames ?? x,
      y,
    },
    groups: broadcast
      ? [Math.ceil(n / BROADCAST_COLUMNS), Math.ceil(m / choice.rows), 1]
      : [Math.ceil(n / TILE), Math.ceil(m / TILE), 1],
  });
  return y;
}
