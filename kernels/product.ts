import exchangeCode from "./shared/broadcast.wgsl" with { type: "text" };
import tileCode from "./shared/tile.wgsl" with { type: "text" };
import memoryCode from "./shared/tile_memory.wgsl" with { type: "text" };
import shuffleCode from "./shared/tile_shuffle.wgsl" with { type: "text" };
import weightsCode from "./shared/weights.wgsl" with { type: "text" };
import { defineKernel, type Kernel } from "../gpu/kernel.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { DeviceProfile } from "../gpu/program.ts";
import { exchanges, type ProductTuning } from "../gpu/tuning.ts";
import { tileConstants } from "./grid.ts";

/** Forms of a matrix product: for GPUs, whose lanes pass x on in two ways, and for CPUs. */
export interface ProductForms {
  readonly memory: Kernel;
  readonly shuffle: Kernel;
  readonly broadcast: Kernel;
}

/**
 * Puts the forms of a product together.
 * @param shared what all of them are given
 * @param tiled what shared/tile.wgsl asks for
 * @param broadcast the whole form for CPUs
 */
export function productForms(
  name: string,
  { shared, tiled, broadcast }: Readonly<Record<"shared" | "tiled" | "broadcast", string>>,
): ProductForms {
  const tiles = weightsCode + shared + tileCode + tiled;
  const whole = weightsCode + exchangeCode + shared + broadcast;
  return {
    memory: defineKernel(name, tiles + memoryCode),
    shuffle: defineKernel(`${name}_shuffle`, tiles + shuffleCode),
    broadcast: defineKernel(`${name}_broadcast`, whole),
  };
}

/** The form for a weight as it is kept, with its constants. */
export function chooseForm(
  forms: ProductForms,
  device: DeviceProfile,
  { buffer, dtype }: Tensor,
  choice: ProductTuning,
): { readonly kernel: Kernel; readonly constants: Readonly<Record<string, number>> } {
  const F16 = Number(dtype === "f16");
  if (buffer.kind === "image") {
    return { kernel: forms.broadcast, constants: { ROWS: choice.rows, F16 } };
  }
  const kernel = choice.shuffle && exchanges(device) ? forms.shuffle : forms.memory;
  return { kernel, constants: { ...tileConstants(choice), F16 } };
}
