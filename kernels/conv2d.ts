import code from "./conv2d.wgsl" with { type: "text" };
import broadcastCode from "./conv2d_broadcast.wgsl" with { type: "text" };
import fewCode from "./conv2d_image_few.wgsl" with { type: "text" };
import imageCode from "./conv2d_image.wgsl" with { type: "text" };
import shuffleCode from "./conv2d_shuffle.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { expectShape, type Tensor } from "../gpu/memory.ts";
import type { Dispatch, Program } from "../gpu/program.ts";
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
const IMAGE = imageForm(joinKernel("conv2d_image", imageCode), ["x", "y"]);
/** The same for few channels. */
const IMAGE_FEW = imageForm(joinKernel("conv2d_image_few", fewCode), ["x", "y"]);
const FEW = 16;
const IMAGE_PIXELS = 32;
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
  /**
   * The weights are those of the convolution that led from this one's result to its x: y is the
   * gradient of its input, if x is that of its result. For images only.
   */
  readonly transposed?: boolean;
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
  const { inputs, outputs: n } = w;
  const { into, transposed = false } = options;
  const n4 = Math.ceil(n / 4) * 4;
  const taps = Math.sqrt(w.weight.shape[1]! / (transposed ? n4 : inputs));
  const fits = k === inputs && k % 4 === 0 && taps % 2 === 1 && (inImage(x) || !transposed);
  if (x.shape.length !== 4 || !fits) {
    throw new ShapeError(`Cannot run conv2d ${inputs} -> ${n} on x [${x.shape}]`);
  }
  const result = [b, height, width, n4];
  if (into) expectShape("conv2d into", into, result);
  const y = into ? updated(p, into) : p.like(x, result);
  p.dispatch({
    ...formOf(p, w, x, taps, options),
    label: options.label,
    params: { pixels: b * height * width, height, width, k, n, ...flagsOf(w, options) },
    buffers: {
      ...{ x, w: w.weight },
      ...affineOf(p, w, x, options),
      ...updating("y", into ?? x, y),
    },
  });
  return y;
}

/** The kernel, and how it divides the work. */
function formOf(
  p: Program,
  { weight, outputs: n }: LinearWeights,
  { shape: [b, height, width, k], buffer: { kind } }: Tensor,
  taps: number,
  { transposed = false, activation, into, tuning }: Conv2dOptions,
): Pick<Dispatch, "kernel" | "constants" | "groups"> {
  const pixels = b! * height! * width!;
  const columns = Math.ceil(n / COLUMNS);
  if (kind === "texture") {
    const [across, folds] = grid(pixels, IMAGE_PIXELS);
    const F16 = Number(weight.dtype === "f16");
    const SILUS = Number(activation === "silu");
    const ADDS = Number(into !== undefined);
    const few = n <= FEW && !F16 && !transposed;
    return {
      kernel: few ? IMAGE_FEW : IMAGE,
      constants: {
        ...(few ? { FOURS: Math.ceil(n / 4) } : { F16, TRANSPOSED: Number(transposed) }),
        ...{ SIZE: taps, SILUS, ADDS },
      },
      groups: [columns, across, folds],
    };
  }
  const shape = { pixels, k: k!, n, taps: taps ** 2, dtype: weight.dtype };
  const choice = { ...conv2dTuning(p.device, shape), ...tuning };
  const { kernel, constants } = chooseForm(FORMS, p.device, weight, choice);
  const [across, folds] = grid(pixels, choice.rows);
  const groups = weight.buffer.kind === "texture"
    ? [across, folds, columns] as const
    : tileGrid(pixels, n, choice);
  return { kernel, constants: { ...constants, SIZE: taps }, groups };
}

function flagsOf({ bias }: LinearWeights, { activation, scale, into }: Conv2dOptions) {
  return {
    scaled: Number(scale !== undefined),
    biased: Number(bias !== undefined),
    silu: Number(activation === "silu"),
    lowest: activation === "relu" ? 0 : LOWEST,
    added: Number(into !== undefined),
    quads: IMAGE_PIXELS / 4,
  };
}

/** What each channel is multiplied by, and what is added; buffers, also where there is nothing. */
function affineOf(
  p: Program,
  { bias }: LinearWeights,
  x: Tensor,
  { scale }: Conv2dOptions,
): Readonly<Record<"bias" | "scale", Tensor>> {
  const unused = inImage(x) ? p.scratch([4]) : x;
  return { bias: bias ?? unused, scale: scale ?? unused };
}
