import code from "./masked_mse.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";
import { total } from "./total.ts";

const MASKED_MSE = memoryForms("masked_mse", code, ["v", "dv"]);

/** Tensors of the loss. */
export interface MaskedMse {
  /** Prediction [R, width], and its gradient. */
  readonly v: Tensor;
  readonly dv: Tensor;
  /** Target [R, width]. */
  readonly expected: Tensor;
  /** [frames + 1]: 2 (1 - clean) / (b noisy c h w) of each frame, last the scale of the gradient. */
  readonly weights: Tensor;
  /**
   * [frames]: 1 / c^2, where a frame's gradient is that of c sqrt(mse + c^2) instead of mse / 2, or 0.
   */
  readonly limits?: Tensor | undefined;
  /** Scratch, [R]. */
  readonly partial: Tensor;
}

/**
 * Adds the loss to one of `results`, and writes the gradient of the prediction.
 * @param tokens rows per frame
 */
export function maskedMse(
  p: Program,
  { v, dv, expected, weights, limits, partial }: MaskedMse,
  { rows, tokens, slot }: { readonly rows: number; readonly tokens: number; readonly slot: number },
  results: Tensor,
): void {
  eachLane(p, MASKED_MSE, rows, {
    params: { tokens, width: v.shape[1]! / 4 },
    constants: { ROBUST: Number(limits !== undefined) },
    buffers: { v, dv, expected, weights, limits: limits ?? weights, partial },
  });
  total(p, partial, rows, { results, slot });
}
