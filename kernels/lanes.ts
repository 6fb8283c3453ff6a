import type { Kernel } from "../gpu/kernel.ts";
import type { Dispatch, Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";
import { dispatchForm, type MemoryForms } from "./memory_forms.ts";

/** Computes `count` items, an item per lane of workgroups of 64; sets the kernel's `count`. */
export function eachLane(
  p: Program,
  kernel: Kernel | MemoryForms,
  count: number,
  { params, ...call }: Omit<Dispatch, "kernel" | "groups">,
): void {
  const dispatch = { params: { count, ...params }, ...call, groups: grid(count, 64) };
  if ("storage" in kernel) dispatchForm(p, kernel, dispatch);
  else p.dispatch({ kernel, ...dispatch });
}
