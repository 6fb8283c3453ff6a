import type { Kernel } from "../gpu/kernel.ts";
import type { Dtype, Tensor } from "../gpu/memory.ts";
import { type DeviceProfile, exchanges, type ProductTuning } from "../gpu/tuning.ts";
import { joinKernel } from "./fragments.ts";
import { tileConstants } from "./grid.ts";

/** Forms of a matrix product for GPUs, which differ in how lanes share x. */
export interface TileForms {
  readonly memory: Kernel;
  readonly shuffle: Kernel;
  /** `memory` with short sums in f16. */
  readonly packed?: Kernel;
}

/** These, and one for CPUs. */
export interface ProductForms extends TileForms {
  readonly broadcast: Kernel;
}

/** A kernel's form that adds up 16 products in f16. */
export function packedForm(name: string, code: string): Kernel {
  const instead = { weights: "halves", floats: "halves" };
  return { ...joinKernel(name, code, instead), name: `${name}_packed` };
}

/** Whether a device can add up products in f16, of weights of half floats. */
export function packs({ f16 }: DeviceProfile, dtype: Dtype): boolean {
  return f16 === true && dtype === "f16";
}

/** The form for GPUs. */
export function chooseTile(
  { memory, shuffle, packed }: TileForms,
  device: DeviceProfile,
  dtype: Dtype,
  choice: ProductTuning,
): Kernel {
  if (packed && choice.packed && packs(device, dtype)) return packed;
  return choice.shuffle && exchanges(device) ? shuffle : memory;
}

/** The form for a weight's kind of memory, with its constants. */
export function chooseForm(
  forms: ProductForms,
  device: DeviceProfile,
  { buffer, dtype }: Tensor,
  choice: ProductTuning,
): { readonly kernel: Kernel; readonly constants: Readonly<Record<string, number>> } {
  const F16 = Number(dtype === "f16");
  if (buffer.kind === "texture") {
    return { kernel: forms.broadcast, constants: { ROWS: choice.rows, F16 } };
  }
  const kernel = chooseTile(forms, device, dtype, choice);
  return { kernel, constants: { ...tileConstants(device, choice), F16 } };
}
