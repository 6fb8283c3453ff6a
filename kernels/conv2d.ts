import code from "./conv2d.wgsl" with { type: "text" };
import broadcastCode from "./conv2d_broadcast.wgsl" with { type: "text" };
import shuffleCode from "./conv2d_shuffle.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { expectShape, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { conv2dTuning, type ProductTuning } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { grid, tileGrid } from "./grid.ts";
import type { LinearWeights } from "./linear.ts";
import { imageForm, inImage, updated, updating } from "./memory_forms.ts";
import { chooseForm, type ProductForms } from "./product.ts";

const FORMS: ProductForms = {
  memory: joinKernel("conv2d", code),
  shuffle: joinKernel("conv2d_shuffle", shuffleCode),
  broadcast: joinKernel("conv2d_broadcast", broadcastCode),
};
/** The form for CPUs with activations in images. */
const IMAGE = imageForm(FORMS.broadcast, ["x", "y"]);
/** The least f32, since shader compilers may assume that there are no infinities. */
const LOWEST = -3.4028234663852886e38;
/** Channels per workgroup of the broadcasting form. */
const COLUMNS = 32;

export interface Conv2dOptions {
  readonly activation?: "relu" | "silu";
  /** Factor of each output channel before the bias, [N8] f32: a batch norm's. */
  readonly scale?: Tensor;
  /** Is added: the result is this tensor [B, H, W, outputs], or another one if it is an image. */
  readonly into?: Tensor;
  readonly label?: string;
  /** Tiling of the work (chosen by device and shape). */
  readonly tuning?: Partial<ProductTuning>;
}

/**
 * y = act(conv(x, w) * scale + bias), optionally added to `into`; stride 1, padded with zeros to the
 * same size.
 * @param w weights as `packWeight` lays them out with `taps: 9` (3 x 3) or 1
 * @param x [B, H, W, inputs] f32, inputs a multiple of 4
 * @returns [B, H, W, outputs] (padded to a multiple of 4), in an image if x lies in one
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
  const result = [b, height, width, Math.ceil(n / 4) * 4];
  if (into) expectShape("conv2d into", into, result);
  const y = into ? updated(p, into) : p.like(x, result);
  const pixels = b * height * width;
  const broadcast = w.weight.buffer.kind === "texture";
  const shape = { pixels, k, n, taps: taps ** 2, dtype: w.weight.dtype };
  const choice = { ...conv2dTuning(p.device, shape), ...options.tuning };
  const { kernel, constants } = chooseForm(FORMS, p.device, w.weight, choice);
  const images = inImage(x);
  const unused = images ? p.scratch([4]) : x; // bound where there is no bias
  const [across, folds] = grid(pixels, choice.rows);
  p.dispatch({
    kernel: images ? IMAGE : kernel,
    label,
    constants: { ...constants, SIZE: taps },
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
      ...{ x, w: w.weight, bias: bias ?? unused, scale: scale ?? unused },
      ...updating("y", into ?? x, y),
    },
    groups: broadcast ? [across, folds, Math.ceil(n / COLUMNS)] : tileGrid(pixels, n, choice.tile),
  });
  return y;
}
