import code from "./activation.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";

const ACTIVATION = joinKernel("activation", code);

/** Activation functions; GELU in its tanh form. */
export type ActivationKind = "silu" | "gelu" | "relu";

const KINDS: readonly ActivationKind[] = ["silu", "gelu", "relu"];

/** y = act(x) for `count` floats. */
export function activation(
  p: Program,
  kind: ActivationKind,
  { x, y }: Readonly<Record<"x" | "y", Tensor>>,
  count: number,
): void {
  run(p, kind, 0, { x, y }, count);
}

/** dy *= act'(x) for `count` floats, in place. */
export function activationBackward(
  p: Program,
  kind: ActivationKind,
  { x, dy }: Readonly<Record<"x" | "dy", Tensor>>,
  count: number,
): void {
  run(p, kind, 1, { x, y: dy }, count);
}

function run(
  p: Program,
  kind: ActivationKind,
  BACKWARD: number,
  buffers: Readonly<Record<"x" | "y", Tensor>>,
  count: number,
): void {
  eachLane(p, ACTIVATION, count / 4, {
    label: BACKWARD ? `${kind} backward` : kind,
    constants: { KIND: KINDS.indexOf(kind), BACKWARD },
    buffers,
  });
}
