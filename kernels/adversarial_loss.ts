import sumCode from "./adaptive_sum.wgsl" with { type: "text" };
import code from "./adversarial_loss.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import { expectShape, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";
import { type Slot, total } from "./total.ts";

const ADVERSARIAL_LOSS = memoryForms("adversarial_loss", code, ["logits", "slopes"]);
const ADAPTIVE_SUM = joinKernel("adaptive_sum", sumCode);

/** Whose loss it is: of what makes pictures, or of a discriminator's given or made pictures. */
export type AdversarialSide = "making" | "given" | "made";

const SIDES: readonly AdversarialSide[] = ["making", "given", "made"];

/**
 * results[slot] += share times the loss of a discriminator's logits, a mean over them: minus the
 * logits, or half of a hinge.
 * @param logits [B, h, w, 4] f32, the first channel
 * @returns the gradient, of the same shape
 * @throws {ShapeError}
 * Source: VQGAN's `hinge_d_loss`, and the released `DCAETrainer`.
 */
export function adversarialLoss(
  p: Program,
  side: AdversarialSide,
  logits: Tensor,
  share: number,
  slot: Slot,
): Tensor {
  const count = size(logits.shape) / 4;
  if (logits.shape.at(-1) !== 4) throw new ShapeError(`Cannot judge by [${logits.shape}]`);
  const slopes = p.like(logits, logits.shape);
  p.scope(() => {
    const partial = p.scratch([count]);
    eachLane(p, ADVERSARIAL_LOSS, count, {
      label: `adversarial loss, ${side}`,
      constants: { SIDE: SIDES.indexOf(side) },
      params: { scale: share / count },
      buffers: { logits, slopes, partial },
    });
    total(p, partial, count, slot);
  });
  return slopes;
}

/** How an adversarial gradient is weighed. */
export interface AdaptiveWeight {
  /** What the ratio of both gradients is multiplied by. */
  readonly weight: number;
  /** Term added to the adversarial gradient's norm. */
  readonly eps: number;
}

/**
 * dy += w dg and results[slot] += w g, w being `weight` times the ratio of two norms.
 * @param sums g, then the squares of the norm of a reconstruction's gradient and of g's
 * @throws {ShapeError}
 * Source: VQGAN's `calculate_adaptive_weight`.
 */
export function adaptiveSum(
  p: Program,
  { sums, dg, dy }: Readonly<Record<"sums" | "dg" | "dy", Tensor>>,
  { weight, eps }: AdaptiveWeight,
  { results, slot }: Slot,
): void {
  expectShape("adaptive_sum dg", dg, dy.shape);
  eachLane(p, ADAPTIVE_SUM, size(dy.shape) / 4, {
    params: { weight, eps, slot },
    buffers: { sums, dg, dy, results },
  });
}
