import type { TrainerSettings } from "./settings.ts";

/**
 * Learning rate of a step: linear warm-up from 0, then constant or half a cosine down to 0.
 * @param step counted from 1
 * Source: diffusers' `constant_with_warmup` and `cosine_with_warmup`.
 */
export function learningRate(
  { lr, schedule, warmup, steps }: Pick<TrainerSettings, "lr" | "schedule" | "warmup" | "steps">,
  step: number,
): number {
  const done = step - 1;
  if (done < warmup) return lr * (done / Math.max(1, warmup));
  if (schedule === "constant") return lr;
  const progress = (done - warmup) / Math.max(1, steps - warmup);
  return lr * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
