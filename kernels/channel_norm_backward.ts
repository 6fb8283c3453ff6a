import code from "./channel_norm_backward.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { EPS, type NormWeights } from "./channel_norm.ts";
import { grid } from "./grid.ts";
import { type NormSums, normSums } from "./norm_sums.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const CHANNEL_NORM_BACKWARD = memoryForms("channel_norm_backward", code, ["x", "dy", "dx"]);

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
  dispatchForm(p, CHANNEL_NORM_BACKWARD, {
    constants: { WG: p.device.cpu ? 8 : 32 },
    params: { channels, pixels, eps: EPS },
    buffers: { x, weight, dy, dx, stats },
    groups: grid(pixels, 1),
  });
  return normSums(p, { x, dy, stats }, "pixel");
}
