import type { DeviceBuffer, Memory, Tensor } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import { adamw } from "../kernels/adamw.ts";
import { squaresScratch, sumOfSquares } from "../kernels/total.ts";
import type { ParameterStore } from "./parameters.ts";

/** Values of a step on the device. */
export interface StepNumbers {
  /** The loss, and second the squares of all gradients. */
  readonly results: Tensor;
  /** `packAdamwStep`. */
  readonly step: DeviceBuffer;
}

/** Index of the squares of all gradients in the results, where AdamW reads them. */
export const SQUARES = 1;

/** Records an optimiser step: the norm of all gradients, then clipping, AdamW and EMA. */
export function recordUpdate(
  store: ParameterStore,
  memory: Memory,
  device: DeviceProfile,
  { results, step }: StepNumbers,
): Program {
  const program = new Program("update", memory, device);
  const groups = store.trained.map(({ copies }) => copies);
  const gradients = groups.map(({ gradient }) => gradient!);
  const partial = memory.tensor("squares", [squaresScratch(gradients)]);
  sumOfSquares(program, gradients, partial, { results, slot: SQUARES });
  for (const { gradient, weight, moment, square, shadow } of groups) {
    const tensors = {
      gradient: gradient!,
      weight: weight!,
      moment: moment!,
      square: square!,
      shadow,
    };
    adamw(program, tensors, { results, step });
  }
  return program.finish();
}
