import code from "./channel_norm_backward.wgsl" with { type: "text" };
import lanesCode from "./channel_norm_backward_lanes.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { EPS, type NormWeights } from "./channel_norm.ts";
import { inKind } from "./copy.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";
import { eachLane } from "./lanes.ts";
import { type NormSums, normSums } from "./norm_sums.ts";
import { imageForm, inImage } from "./memory_forms.ts";

const CHANNEL_NORM_BACKWARD = joinKernel("channel_norm_backward", code);
const LANES = imageForm(joinKernel("channel_norm_backward_lanes", lanesCode), [
  ...["x", "weight", "dy", "dx"],
]);

/**
 * Gradients of `channelNorm` without activation: dx, and sums for those of weight and bias.
 * @param dx of x's shape, overwritten
 * @throws {ShapeError}
 */
export function channelNormBackward(
  p: Program,
  { weight }: Pick<NormWeights, "weight">,
  { x, dy, dx }: Readonly<Record<"x" | "dy" | "dx", Tensor>>,
): NormSums {
  const channels = x.shape.at(-1)!;
  expectShape("channel_norm_backward dy", dy, x.shape);
  expectShape("channel_norm_backward dx", dx, x.shape);
  const pixels = size(x.shape) / channels;
  const stats = p.scratch([pixels]);
  if (inImage(x)) {
    const buffers = { x, weight: inKind(p, weight, "texture"), dy, dx, stats };
    eachLane(p, LANES, pixels, { params: { channels, eps: EPS }, buffers });
  } else {
    p.dispatch({
      kernel: CHANNEL_NORM_BACKWARD,
      constants: { WG: p.device.cpu ? 8 : 32 },
      params: { channels, pixels, eps: EPS },
      buffers: { x, weight, dy, dx, stats },
      groups: grid(pixels, 1),
    });
  }
  return normSums(p, { x, dy, stats }, "pixel");
}
