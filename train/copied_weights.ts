import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";

/** The group whose weights a program has copied last. */
export interface CopiedGroup {
  weights?: Tensor;
}

/** A group's weights in an image that groups share: copied unless the last ones were the same. */
export function copiedWeights(
  p: Program,
  weights: Tensor,
  image: Tensor,
  copied: CopiedGroup,
): Tensor {
  if (copied.weights !== weights) p.copyToTexture(weights, image);
  copied.weights = weights;
  return image;
}
