import code from "./flow_step.wgsl" with { type: "text" };
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";

const FLOW_STEP = memoryForms("flow_step", code, ["v"]);

/** Tensors of a step along a flow; x, v and y have one shape, of whole frames. */
export interface FlowStep {
  /** Where the step begins; absent if it is y itself. */
  readonly x?: Tensor;
  /** Velocity. */
  readonly v: Tensor;
  /** [frames]: length of each frame's step. */
  readonly c: Tensor;
  readonly y: Tensor;
}

/**
 * y = x + c v, or y += c v, with a c for each frame.
 * @param frames in v, each of as many floats, a multiple of 4
 */
export function flowStep(p: Program, { x, v, c, y }: FlowStep, frames: number): void {
  const count = size(v.shape) / 4;
  eachLane(p, FLOW_STEP, count, {
    constants: { ADD: x ? 0 : 1 },
    params: { width: count / frames },
    buffers: { x: x ?? c, v, c, y },
  });
}
