import code from "./feature_distance.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";
import { type Slot, total } from "./total.ts";

const FEATURE_DISTANCE = joinKernel("feature_distance", code);

/**
 * results[slot] += how far apart features are, the mean over pixels of the weighted squared
 * difference of their directions, with the gradient by y.
 * @param tensors x, y and dy [B, h, w, C], head [C]
 * @param options weight of a picture's mean, and whether the gradient is added to dy
 * @throws {ShapeError}
 * Source: lpips 0.1.4, `normalize_tensor` and `NetLinLayer`.
 */
export function featureDistance(
  p: Program,
  { x, y, head, dy }: Readonly<Record<"x" | "y" | "head" | "dy", Tensor>>,
  { weight, adds }: { readonly weight: number; readonly adds: boolean },
  slot: Slot,
): void {
  expectShape("feature_distance y", y, x.shape);
  expectShape("feature_distance dy", dy, x.shape);
  const [b, height, width, channels] = x.shape as [number, number, number, number];
  expectShape("feature_distance head", head, [channels]);
  const count = size([b, height, width]);
  p.scope(() => {
    const partial = p.scratch([count]);
    eachLane(p, FEATURE_DISTANCE, count, {
      constants: { ADDS: Number(adds) },
      params: { quads: channels / 4, scale: weight / (height * width) },
      buffers: { x, y, head, dy, partial },
    });
    total(p, partial, count, slot);
  });
}
