import code from "./conv2d.wgsl" with { type: "text" };
import broadcastCode from "./conv2d_broadcast.wgsl" with { type: "text" };
import exchangeCode from "./shared/broadcast.wgsl" with { type: "text" };
import sharedCode from "./shared/conv2d.wgsl" with { type: "text" };
import tileCode from "./shared/tile.wgsl" with { type: "text" };
import memoryCode from "./shared/tile_memory.wgsl" with { type: "text" };
import shuffleCode from "./shared/tile_shuffle.wgsl" with { type: "text" };
import weightsCode from "./shared/weights.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { expectShape, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { type Conv2dTuning, conv2dTuning, exchanges } from "../gpu/tuning.ts";
import { grid, tileConstants, tileGrid } from "./grid.ts";
import type { LinearWeights } from "./linear.ts";

const TILED = weightsCode + sharedCode + tileCode + code;
const CONV2D = defineKernel("conv2d", TILED + memoryCode);
const CONV2D_SHUFFLE = defineKernel("conv2d_shuffle", TILED + shuffleCode);
const CONV2D_BROADCAST = defineKernel(
  "conv2d_broadcast",
  weightsCode + exchangeCode + sharedCode + broadcastCode,
);
/** No f32 is less: compilers of shaders may take it that there are no infinities. */
const LOWEST = -3.4028234663852886e38;
/** Channels a workgroup of the broadcasting form computes. */
const COLUMNS = 32;

export interface Conv2dOptions {
  readonly activation?: "relu" | "silu";
  /** Factor of each output channel before the bias, [N8] f32: a batch norm's. */
  readonly scale?: Tensor;
  /** y += value, for a tensor [B, H, W, outputs]. */
  readonly into?: Tensor;
  readonly label?: string;
  /** How work is divided; chosen by device and shape when absent. */
  readonly tuning?: Partial<Conv2dTuning>;
}

/**
 * y = act(conv(x, w) * scale + bias), optionally added to `into`; stride 1, padded with zeros to the
 * same size.
 * @param w weights as `packWeight` lays them out with `taps: 9` (3 x 3) or 1
 * @param x [B, H, W, inputs] f32, inputs a multiple of 4
 * @returns [B, H, W, outputs] (padded to a multiple of 4)
 * @throws {ShapeError}
 */
export function conv2d(
  p: Program,
  w: LinearWeights,
  x: Tensor,
  options: Conv2dOptions = {},
): Tensor {
  const [b, height, width, k] = x.shape as [number, number, number, number];
  const { inputs, outputs: n, bias } = w;
  const taps = Math.sqrt(w.weight.shape[1]! / inputs);
  if (x.shape.length !== 4 || k !== inputs || k % 4 || taps % 2 !== 1) {
    throw new ShapeError(`Cannot run conv2d ${inputs} -> ${n} on x [${x.shape}]`);
  }
  const { activation, scale, into, label } = options;
  const shape = [b, height, width, Math.ceil(n / 4) * 4];
  if (into) expectShape("conv2d into", into, shape);
  const y = into ?? p.scratch(shape);
  const pixels = b * height * width;
  const broadcast = w.weight.buffer.kind === "image";
  const { dtype } = w.weight;
  const own = conv2dTuning(p.device, { pixels, k, n, taps: taps ** 2, dtype });
  const choice = { ...own, ...options.tuning };
  const shuffle = choice.shuffle && exchanges(p.device);
  const [across, folds] = grid(pixels, choice.rows);
  p.dispatch({
    kernel: broadcast ? CONV2D_BROADCAST : shuffle ? CONV2D_SHUFFLE : CONV2D,
    label,
    constants: {
      ...(broadcast ? { ROWS: choice.rows } : tileConstants(choice)),
      F16: Number(dtype === "f16"),
      SIZE: taps,
    },
    params: {
      pixels,
      height,
      width,
      k,
      n,
      scaled: Number(scale !== undefined),
      biased: Number(bias !== undefined),
      silu: Number(activation === "silu"),
      lowest: activation === "relu" ? 0 : LOWEST,
      added: Number(into !== undefined),
    },
    buffers: {
      x,
      w: w.weight,
      bias: bias ?? x,
      scale: scale ?? x,
      y,
    },
    groups: broadcast ? [across, folds, Math.ceil(n / COLUMNS)] : tileGrid(pixels, n, choice.tile),
  });
  return y;
}
