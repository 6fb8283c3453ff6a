import code from "./picture_loss.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";
import { type Slot, total } from "./total.ts";

const PICTURE_LOSS = memoryForms("picture_loss", code, ["x", "y"]);

/** Weights of the parts of a loss, each a mean over pixels and channels. */
export interface PictureWeights {
  /** Weight of |y - x|. */
  readonly l1: number;
  /** Weight of (y - x)^2. */
  readonly mse: number;
  /** Weight of |difference of neighbours in y - that in x|, across plus along. */
  readonly edges: number;
}

const CHANNELS = 3;

/**
 * results[slot] += the loss of y [B, H, W, 4] against x, with dy as its gradient.
 * @param images number of images over which means are taken, if these are only some of them
 * @throws {ShapeError}
 */
export function pictureLoss(
  p: Program,
  { x, y, dy }: Readonly<Record<"x" | "y" | "dy", Tensor>>,
  { l1, mse, edges }: PictureWeights,
  images: number,
  slot: Slot,
): void {
  const [b, height, width, channels] = y.shape as [number, number, number, number];
  if (channels !== 4 || String(x.shape) !== String(y.shape)) {
    throw new ShapeError(`Cannot compare pictures [${x.shape}] and [${y.shape}]`);
  }
  const count = b * height * width;
  const mean = (weight: number, numbers: number) =>
    numbers === 0 ? 0 : weight / (CHANNELS * images * numbers);
  p.scope(() => {
    const partial = p.scratch([count]);
    eachLane(p, PICTURE_LOSS, count, {
      params: {
        ...{ height, width },
        absolute: mean(l1, height * width),
        squared: mean(mse, height * width),
        across: mean(edges, height * (width - 1)),
        along: mean(edges, (height - 1) * width),
      },
      buffers: { x, y, dy, partial },
    });
    total(p, partial, count, slot);
  });
}
