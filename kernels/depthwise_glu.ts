import code from "./depthwise_glu.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const DEPTHWISE_GLU = memoryForms("depthwise_glu", code, ["x", "w", "bias", "y"]);

/** Weights of a depthwise 3 x 3 convolution. */
export interface DepthwiseWeights {
  /** [at least 9 taps, channels] f32. */
  readonly weight: Tensor;
  /** [channels] f32. */
  readonly bias: Tensor;
}

/**
 * y = a * SiLU(g), [a; g] being the halves of a depthwise 3 x 3 convolution of x, zero-padded.
 * @param x [B, H, W, 2 C] f32, C a multiple of 4
 * @returns [B, H, W, C] f32
 * @throws {ShapeError}
 * Source: diffusers `GLUMBConv`.
 */
export function depthwiseGlu(p: Program, w: DepthwiseWeights, x: Tensor): Tensor {
  const [b, height, width, both] = x.shape as [number, number, number, number];
  const [taps, stride] = w.weight.shape;
  if (x.shape.length !== 4 || both % 8 || taps! < 9 || stride !== both) {
    throw new ShapeError(`Cannot run depthwise_glu [${w.weight.shape}] on x [${x.shape}]`);
  }
  const y = p.like(x, [b, height, width, both / 2]);
  eachLane(p, DEPTHWISE_GLU, stripLanes(x), {
    params: { height, width, channels: both / 2 },
    buffers: { x, w: w.weight, bias: w.bias, y },
  });
  return y;
}

/** Lanes that compute half of x's channels by strips: four channels of four pixels of a row each. */
export function stripLanes({ shape }: Tensor): number {
  const [b, height, width, both] = shape as [number, number, number, number];
  return b * height * Math.ceil(width / 4) * both / 8;
}
