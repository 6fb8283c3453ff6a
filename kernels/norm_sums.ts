import code from "./norm_sums.wgsl" with { type: "text" };
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { SUM_CHUNK } from "./column_sums.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const NORM_SUMS = memoryForms("norm_sums", code, ["x", "dy"]);

/** First pass of a norm's gradients: sums of chunks of pixels, [chunks, C] each. */
export interface NormSums {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/**
 * Sums of dy times the normalised x, and of dy.
 * @param stats [2, C]: means and inverse deviations of channels; or [pixels]: inverse roots
 */
export function normSums(
  p: Program,
  { x, dy, stats }: Readonly<Record<"x" | "dy" | "stats", Tensor>>,
  by: "channel" | "pixel",
): NormSums {
  const channels = x.shape.at(-1)!;
  const pixels = size(x.shape) / channels;
  const chunks = Math.ceil(pixels / SUM_CHUNK);
  const [weight, bias] = [p.scratch([chunks, channels]), p.scratch([chunks, channels])];
  dispatchForm(p, NORM_SUMS, {
    constants: { BY_CHANNEL: Number(by === "channel") },
    params: { pixels, channels: channels / 4, chunk: SUM_CHUNK },
    buffers: { x, dy, stats, weight, bias },
    groups: [Math.ceil(channels / 32), chunks, 1],
  });
  return { weight, bias };
}
