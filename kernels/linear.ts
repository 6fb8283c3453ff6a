import code from "./linear.wgsl" with { type: "text" };
import mergeCode from "./merge_linear.wgsl" with { type: "text" };
import broadcastCode from "./linear_broadcast.wgsl" with { type: "text" };
import shuffleCode from "./linear_shuffle.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Dispatch, Program } from "../gpu/program.ts";
import { linearTuning, type ProductTuning } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { grid, tileGrid } from "./grid.ts";
import { layerNorm, type Modulation, type Norm } from "./layer_norm.ts";
import { dispatchForm, inImage, memoryForms, updating } from "./memory_forms.ts";
import { chooseForm, packedForm, type ProductForms } from "./product.ts";

/** The form for CPUs, by where x and y lie. */
const BROADCAST = memoryForms("linear_broadcast", broadcastCode, ["x", "y"]);
const FORMS: ProductForms = {
  memory: joinKernel("linear", code),
  shuffle: joinKernel("linear_shuffle", shuffleCode),
  packed: packedForm("linear", code),
  broadcast: BROADCAST.storage,
};
const MERGE = joinKernel("merge_linear", mergeCode);
/** Columns per workgroup of the broadcasting form. */
const BROADCAST_COLUMNS = 32;

/** Weights of a linear layer as `packWeight` lays them out. */
export interface LinearWeights {
  /** Of shape `packedShape(inputs, outputs)`, f32 or f16; a texture if kernels broadcast. */
  readonly weight: Tensor;
  /** [outputs rounded up to 8] f32. */
  readonly bias?: Tensor;
  readonly inputs: number;
  readonly outputs: number;
}

export interface LinearOptions {
  /** Normalises and modulates x [B, F, T, inputs] first; on CPUs into an image, where y lies too. */
  readonly norm?: Norm;
  /** Where to write (a new tensor). */
  readonly to?: Tensor;
  readonly output?: "gelu" | "silu";
  /** y += value, or y += gate * value with the gate at this offset of the table. */
  readonly into?: { readonly y: Tensor; readonly gate?: Modulation & { readonly offset: number } };
  readonly label?: string;
  /** Tiling of the work (chosen by device and shape). */
  readonly tuning?: Partial<ProductTuning>;
}

const OUTPUTS = { none: 0, gelu: 1, silu: 2 } as const;

/**
 * y = act(x W + b), x normalised first if asked, optionally added to `into.y`, gated per frame.
 * @param x [..., inputs] f32, inputs a multiple of 4
 * @returns [..., outputs] f32 (rows padded to a multiple of 4 floats), in an image if x lies in one
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
  const { into, norm, label } = options;
  if (x.shape.at(-1) !== k || k % 4 || (norm && into?.gate)) {
    throw new ShapeError(`Cannot run linear ${k} -> ${n} on x [${x.shape}]: needs [..., ${k}]`);
  }
  const broadcast = w.weight.buffer.kind === "texture";
  // CPUs are limited by loads, so there each row is normalised once, not once per workgroup
  if (norm && broadcast) {
    return linear(p, w, layerNorm(p, x, norm, "texture"), { ...options, norm: undefined });
  }
  const y = into?.y ?? options.to ?? p.like(x, [...rows, Math.ceil(n / 4) * 4]);
  const about = { norm: norm !== undefined, into: into !== undefined };
  const shape = { m, k, n, dtype: w.weight.dtype, ...about };
  const choice = { ...linearTuning(p.device, shape), ...options.tuning };
  const modulation = norm ?? into?.gate;
  // in a transformer's blocks x is bounded by norms: see fragments/halves.wgsl
  const packed = modulation ? choice.packed : 0;
  const { kernel, constants } = chooseForm(FORMS, p.device, w.weight, { ...choice, packed });
  const unused = inImage(x) ? p.scratch([4]) : x;
  const finish: Finish = {
    label,
    params: { m, k, n, ...paramsOf(w, options) },
    bias: w.bias ?? unused,
    table: modulation?.table ?? unused,
    frames: modulation?.frames ?? unused,
    y,
  };
  if (!broadcast) {
    const all = { ...constants, NORM: Number(norm !== undefined) };
    dispatchTiles(p, { kernel, constants: all, buffers: { x, w: w.weight } }, finish, choice);
    return y;
  }
  const { params, bias, table, frames } = finish;
  dispatchForm(p, BROADCAST, {
    ...{ label, constants, params },
    buffers: { x, w: w.weight, bias, table, frames, ...updating("y", x, y) },
    groups: [Math.ceil(n / BROADCAST_COLUMNS), Math.ceil(m / choice.rows), 1],
  });
  return y;
}

/** What becomes of the sums. */
interface Finish extends Readonly<Record<"bias" | "table" | "frames" | "y", Tensor>> {
  readonly label?: string;
  readonly params: Readonly<Record<"m" | "k" | "n", number> & Record<string, number>>;
}

function paramsOf({ bias }: LinearWeights, { into, norm, output }: LinearOptions) {
  const modulation = norm ?? into?.gate;
  return {
    biased: Number(bias !== undefined),
    output: OUTPUTS[output ?? "none"],
    residual: into?.gate ? 2 : into ? 1 : 0,
    tokens: modulation?.tokens ?? 1,
    table_stride: modulation?.table.shape[1] ?? 0,
    gate: into?.gate?.offset ?? 0,
    norm_shift: norm?.shift ?? 0,
    norm_scale: norm?.scale ?? 0,
  };
}

/** The forms for GPUs. Where workgroups share the k of a tile, another dispatch adds up their sums. */
function dispatchTiles(
  p: Program,
  { constants, buffers, kernel }: Pick<Dispatch, "kernel" | "constants" | "buffers">,
  { label, params, y, ...finish }: Finish,
  choice: ProductTuning,
): void {
  const { m, n } = params;
  const { split } = choice;
  const divided: Readonly<Record<string, number>> = split > 1 ? { SPLIT: split } : {};
  const parts = split > 1 ? p.scratch([split, m, Math.ceil(n / 4) * 4]) : undefined;
  p.dispatch({
    ...{ kernel, label, params },
    constants: { ...constants, ...divided },
    buffers: { ...buffers, ...finish, y: parts ?? y },
    groups: tileGrid(m, n, choice, split),
  });
  if (!parts) return;
  p.dispatch({
    ...{ kernel: MERGE, constants: divided, params },
    label: label && `merge ${label}`,
    buffers: { ...finish, parts, y },
    groups: grid(m * Math.ceil(n / 4), 64),
  });
}
