import type { Kernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import { type DeviceProfile, exchanges, type ProductTuning } from "../gpu/tuning.ts";
import { tileConstants } from "./grid.ts";

/** Forms of a matrix product: two for GPUs, which differ in how lanes share x, and one for CPUs. */
export interface ProductForms {
  readonly memory: Kernel;
  readonly shuffle: Kernel;
  readonly broadcast: Kernel;
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
  const kernel = choice.shuffle && exchanges(device) ? forms.shuffle : forms.memory;
  return { kernel, constants: { ...tileConstants(device, choice), F16 } };
}
