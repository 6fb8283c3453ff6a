import code from "./clear.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const CLEAR = memoryForms("clear", code, ["x"]);

/** Sets `count` floats from `first` on to zero; both are multiples of 4. */
export function clear(p: Program, x: Tensor, first: number, count: number): void {
  if (count === 0) return;
  eachLane(p, CLEAR, count / 4, { params: { first: first / 4 }, buffers: { x } });
}
