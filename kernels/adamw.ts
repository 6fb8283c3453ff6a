import code from "./adamw.wgsl" with { type: "text" };
import { type DeviceBuffer, size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";
import { copiedForm } from "./memory_forms.ts";

/** Lines to remove from the shader if there are no averaged weights to bind. */
const SHADOW = /^.*shadow.*\n/gm;
const ADAMW = joinKernel("adamw", code.replaceAll(SHADOW, ""));
const ADAMW_EMA = joinKernel("adamw_ema", code);
const STATE = ["gradient", "weight", "moment", "square"] as const;
const ADAMW_COPIED = copiedForm(ADAMW, STATE);
const ADAMW_EMA_COPIED = copiedForm(ADAMW_EMA, [...STATE, "shadow"]);

/** Numbers of one step. */
export interface AdamwStep {
  /** Counted from 1. */
  readonly step: number;
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly eps: number;
  /** Largest norm of all gradients. */
  readonly clip: number;
  /** Decay of the averaged weights; unused if there are none. */
  readonly ema: number;
  /** Scale of the loss, and so of all gradients. */
  readonly lossScale: number;
}

/** Bytes of the buffer of a step's numbers. */
export const ADAMW_STEP_BYTES = 48;

/** The parameters of a step for the kernel: computed in float64, then rounded, as in PyTorch. */
export function packAdamwStep(o: AdamwStep): Float32Array<ArrayBuffer> {
  const [beta1, beta2] = o.betas;
  return Float32Array.of(
    o.clip,
    1 / o.lossScale,
    1 - o.lr * o.weightDecay,
    1 - beta1,
    beta2,
    1 - beta2,
    o.lr / (1 - beta1 ** o.step),
    Math.sqrt(1 - beta2 ** o.step),
    o.eps,
    o.ema,
    1 - o.ema,
    0,
  );
}

/** State of a group of weights; all of the same length, a multiple of 4. */
export interface AdamwTensors {
  /** Zeroed after use. */
  readonly gradient: Tensor;
  readonly weight: Tensor;
  readonly moment: Tensor;
  readonly square: Tensor;
  /** Averaged weights, if kept. */
  readonly shadow: Tensor | undefined;
}

/** Images of at least the largest group's size, from which software adapters read its state. */
export type AdamwImages = Readonly<Record<typeof STATE[number] | "shadow", Tensor>>;

/**
 * One step for a group of weights.
 * @param results whose second number is the sum of the squares of all gradients
 * @param step `packAdamwStep`
 * @param images where the group is copied to be read; none: it is read where it is
 */
export function adamw(
  p: Program,
  tensors: AdamwTensors,
  { results, step }: { readonly results: Tensor; readonly step: DeviceBuffer },
  images?: AdamwImages,
): void {
  const { shadow, ...state } = tensors;
  const count = size(tensors.weight.shape) / 4;
  const kernels = images ? [ADAMW_COPIED, ADAMW_EMA_COPIED] : [ADAMW, ADAMW_EMA];
  const from = images && copied(p, tensors, images);
  eachLane(p, kernels[shadow ? 1 : 0]!, count, {
    label: shadow ? "adamw_ema" : "adamw",
    buffers: { ...state, ...shadow && { shadow }, ...from, results, step },
  });
}

/** Copies a group's state into images. */
function copied(p: Program, tensors: AdamwTensors, images: AdamwImages): Record<string, Tensor> {
  const names = [...STATE, ...tensors.shadow ? ["shadow" as const] : []];
  for (const name of names) p.copyToTexture(tensors[name]!, images[name]);
  return Object.fromEntries(names.map((name) => [`${name}_from`, images[name]]));
}
