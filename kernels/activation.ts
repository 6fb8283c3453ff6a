import code from "./activation.wgsl" with { type: "text" };
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms, updating } from "./memory_forms.ts";

const ACTIVATION = memoryForms("activation", code, ["x", "y"]);

/** Activation functions; GELU in its tanh form, the leaky ReLU with a slope of 0.2 below 0. */
export type ActivationKind = "silu" | "gelu" | "relu" | "leaky_relu";

const KINDS: readonly ActivationKind[] = ["silu", "gelu", "relu", "leaky_relu"];

/** y = act(x) for `count` floats. */
export function activation(
  p: Program,
  kind: ActivationKind,
  { x, y }: Readonly<Record<"x" | "y", Tensor>>,
  count: number,
): void {
  run(p, kind, 0, { x, ...updating("y", x, y) }, count);
}

/**
 * dy *= act'(x) for `count` floats.
 * @param tensors with `to` for the result, if they are images, which cannot be updated in place
 */
export function activationBackward(
  p: Program,
  kind: ActivationKind,
  { x, dy, to = dy }: Readonly<Record<"x" | "dy", Tensor>> & { readonly to?: Tensor },
  count: number,
): void {
  run(p, kind, 1, { x, ...updating("y", dy, to) }, count);
}

function run(
  p: Program,
  kind: ActivationKind,
  BACKWARD: number,
  buffers: Readonly<Record<string, Tensor>>,
  count: number,
): void {
  const label = BACKWARD ? `${kind} backward` : kind;
  const constants = { KIND: KINDS.indexOf(kind), BACKWARD };
  eachLane(p, ACTIVATION, count / 4, { label, constants, buffers });
}
