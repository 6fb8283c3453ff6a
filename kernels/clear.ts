import code from "./clear.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";

const CLEAR = joinKernel("clear", code);

/** Sets `count` floats from `first` on to zero; both are multiples of 4. */
export function clear(p: Program, x: Tensor, first: number, count: number): void {
  if (count === 0) return;
  p.dispatch({
    kernel: CLEAR,
    params: { first: first / 4, count: count / 4 },
    buffers: { x },
    groups: grid(count / 4, 64),
  });
}
