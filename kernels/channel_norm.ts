import code from "./channel_norm.wgsl" with { type: "text" };
import lanesCode from "./channel_norm_lanes.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { inKind } from "./copy.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";
import { eachLane } from "./lanes.ts";
import { imageForm, inImage, updated, updating } from "./memory_forms.ts";

const CHANNEL_NORM = joinKernel("channel_norm", code);
const LANES = imageForm(joinKernel("channel_norm_lanes", lanesCode), ["x", "weight", "bias", "y"]);
/** @internal What the mean of squares is raised by. */
export const EPS = 1e-5;

/** Weight and bias of a norm, [C rounded up to 8] f32 each. */
export interface NormWeights {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

export interface ChannelNormOptions {
  /** Is added: the result is this tensor of x's shape, or another one if it is an image. */
  readonly into?: Tensor;
  readonly activation?: "relu";
}

/**
 * y = act(x / sqrt(mean(x^2) + 1e-5) * weight + bias), the mean over channels, optionally added to
 * `into`.
 * @param x [B, H, W, C] f32, C a multiple of 4
 * @returns y, of x's shape
 * @throws {ShapeError}
 * Source: diffusers `RMSNorm` with weight and bias.
 */
export function channelNorm(
  p: Program,
  w: NormWeights,
  x: Tensor,
  { into, activation }: ChannelNormOptions = {},
): Tensor {
  const channels = x.shape.at(-1)!;
  if (channels % 4 || size(w.weight.shape) < channels) {
    throw new ShapeError(`Cannot run channel_norm [${w.weight.shape}] on x [${x.shape}]`);
  }
  if (into) expectShape("channel_norm into", into, x.shape);
  const y = into ? updated(p, into) : p.like(x, x.shape);
  const pixels = size(x.shape) / channels;
  const constants = { RELU: Number(activation === "relu"), RESIDUAL: Number(into !== undefined) };
  if (inImage(x)) {
    const [weight, bias] = [w.weight, w.bias].map((vector) => inKind(p, vector, "texture"));
    const buffers = { x, weight: weight!, bias: bias!, ...updating("y", into ?? x, y) };
    eachLane(p, LANES, pixels, { constants, params: { channels, eps: EPS }, buffers });
    return y;
  }
  p.dispatch({
    kernel: CHANNEL_NORM,
    constants: { WG: p.device.cpu ? 8 : 32, ...constants },
    params: { channels, pixels, eps: EPS },
    buffers: { x, weight: w.weight, bias: w.bias, y },
    groups: grid(pixels, 1),
  });
  return y;
}
