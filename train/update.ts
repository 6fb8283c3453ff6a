import { type DeviceBuffer, type Memory, size, type Tensor } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { type DeviceProfile, tensorKind } from "../gpu/tuning.ts";
import { adamw, type AdamwImages } from "../kernels/adamw.ts";
import { squaresScratch, sumOfSquares } from "../kernels/total.ts";
import type { ParameterGroup } from "./parameters.ts";

/** Values of a step on the device. */
export interface StepNumbers {
  /** The loss, and second the squares of all gradients. */
  readonly results: Tensor;
  /** `packAdamwStep`. */
  readonly step: DeviceBuffer;
}

/** Index of the squares of all gradients in the results, where AdamW reads them. */
export const SQUARES = 1;

/** Memory that updates need, one after the other. */
export interface UpdateScratch {
  readonly partial: Tensor;
  readonly images: AdamwImages | undefined;
}

/** Declares memory for updates of these groups, or of some of them. */
export function updateScratch(
  memory: Memory,
  device: DeviceProfile,
  groups: readonly ParameterGroup[],
): UpdateScratch {
  const gradients = groups.map(({ copies }) => copies.gradient!);
  const partial = memory.tensor("squares", [squaresScratch(gradients)]);
  const images = tensorKind(device) === "texture" ? stateImages(memory, gradients) : undefined;
  return { partial, images };
}

/**
 * Records an optimiser step: the norm of all gradients, then clipping, AdamW and EMA.
 * @param trained groups with gradients
 */
export function recordUpdate(
  trained: readonly ParameterGroup[],
  memory: Memory,
  device: DeviceProfile,
  { results, step }: StepNumbers,
  { partial, images }: UpdateScratch = updateScratch(memory, device, trained),
): Program {
  const program = new Program("update", memory, device);
  const groups = trained.map(({ copies }) => copies);
  const gradients = groups.map(({ gradient }) => gradient!);
  sumOfSquares(program, gradients, partial, { results, slot: SQUARES }, images?.gradient);
  for (const { gradient, weight, moment, square, shadow } of groups) {
    const tensors = {
      gradient: gradient!,
      weight: weight!,
      moment: moment!,
      square: square!,
      shadow,
    };
    adamw(program, tensors, { results, step }, images);
  }
  return program.finish();
}

/** Images of the largest group's size, in which software adapters read one group after the other. */
function stateImages(memory: Memory, gradients: readonly Tensor[]): AdamwImages {
  const most = Math.max(...gradients.map(({ shape }) => size(shape)));
  const image = (name: string) => memory.tensor(`${name} image`, [most], "f32", "texture");
  return {
    gradient: image("gradient"),
    weight: image("weight"),
    moment: image("moment"),
    square: image("square"),
    shadow: image("shadow"),
  };
}
