import code from "./masked_mse.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";
import { total } from "./total.ts";

const MASKED_MSE = joinKernel("masked_mse", code);

/** Tensors of the loss. */
export interface MaskedMse {
  /** Prediction [R, width], which becomes its gradient. */
  readonly v: Tensor;
  /** Target [R, width]. */
  readonly expected: Tensor;
  /** [frames + 1]: 2 (1 - clean) / (b noisy c h w) of each frame, last the scale of the gradient. */
  readonly weights: Tensor;
  /** Scratch, [R]. */
  readonly partial: Tensor;
}

/**
 * Adds the loss to one of `results`, and replaces the prediction by its gradient.
 * @param tokens rows per frame
 */
export function maskedMse(
  p: Program,
  { v, expected, weights, partial }: MaskedMse,
  { rows, tokens, slot }: { readonly rows: number; readonly tokens: number; readonly slot: number },
  results: Tensor,
): void {
  p.dispatch({
    kernel: MASKED_MSE,
    params: { rows, tokens, width: v.shape[1]! / 4 },
    buffers: { v, expected, weights, partial },
    groups: grid(rows, 64),
  });
  total(p, partial, rows, { results, slot });
}
