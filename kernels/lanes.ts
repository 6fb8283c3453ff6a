import type { Kernel } from "../gpu/kernel.ts";
import type { Dispatch, Program } from "../gpu/program.ts";
import { grid } from "./grid.ts";

/** Computes `count` items, an item per lane of workgroups of 64; sets the kernel's `count`. */
export function eachLane(
  p: Program,
  kernel: Kernel,
  count: number,
  { params, ...call }: Omit<Dispatch, "kernel" | "groups">,
): void {
  p.dispatch({ kernel, params: { count, ...params }, ...call, groups: grid(count, 64) });
}
