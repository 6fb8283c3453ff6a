import code from "./feature_distance.wgsl" with { type: "text" };
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { inKind } from "./copy.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms, updated, updating } from "./memory_forms.ts";
import { type Slot, total } from "./total.ts";

const FEATURE_DISTANCE = memoryForms("feature_distance", code, ["x", "y", "head", "dy"]);

/**
 * results[slot] += how far apart features are, the mean over pixels of the weighted squared
 * difference of their directions.
 * @param tensors x and y [B, h, w, C], head [C], and dy, to which the gradient by y is added
 * @param weight of a picture's mean
 * @returns the gradient by y: dy, or if there is none or it is an image another tensor
 * @throws {ShapeError}
 * Source: lpips 0.1.4, `normalize_tensor` and `NetLinLayer`.
 */
export function featureDistance(
  p: Program,
  { x, y, head, dy }: Readonly<Record<"x" | "y" | "head", Tensor>> & {
    readonly dy?: Tensor | undefined;
  },
  weight: number,
  slot: Slot,
): Tensor {
  expectShape("feature_distance y", y, x.shape);
  if (dy) expectShape("feature_distance dy", dy, x.shape);
  const [b, height, width, channels] = x.shape as [number, number, number, number];
  expectShape("feature_distance head", head, [channels]);
  const count = size([b, height, width]);
  const to = dy ? updated(p, dy) : p.like(y, y.shape);
  p.scope(() => {
    const partial = p.scratch([count]);
    eachLane(p, FEATURE_DISTANCE, count, {
      constants: { ADDS: Number(dy !== undefined) },
      params: { quads: channels / 4, scale: weight / (height * width) },
      buffers: {
        ...{ x, y, head: inKind(p, head, x.buffer.kind), partial },
        ...updating("dy", dy ?? x, to),
      },
    });
    total(p, partial, count, slot);
  });
  return to;
}
