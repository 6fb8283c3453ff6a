import { size, type Tensor } from "../../gpu/memory.ts";
import { batchNorm, batchNormBackward } from "../../kernels/batch_norm.ts";
import { fold, unfold, UNFOLD_TAPS } from "../../kernels/unfold.ts";
import { CpuGenerator } from "../../run/noise.ts";
import type { Shapes } from "../../released/architecture.ts";
import type { Parameter } from "../parameters.ts";
import type { ParameterSource } from "../settings.ts";
import {
  activated,
  activatedBackward,
  addNormGradients,
  ceil4,
  convForward,
  convGradients,
  convInputGradient,
  type ConvSpec,
  normWeights,
  type Tape,
  vector,
} from "./layers.ts";

const RGB = 3;
/** Taps along an axis. */
const SIZE = 4;
/** Slope of a leaky ReLU below 0. */
const LEAK = 0.2;
const NORM = ["weight", "bias", "running_mean", "running_var"] as const;
/** Deviation of first weights. */
const DEVIATION = 0.02;
/** The least side of pictures that leaves a logit. */
export const LEAST_JUDGED = 24;

/** A 4 x 4 convolution of the discriminator, by the numbers of its modules. */
interface Judge {
  readonly conv: number;
  /** Batch norm after it. */
  readonly norm?: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: 1 | 2;
}

/** The layers of a discriminator; all but the last end with a leaky ReLU. */
function layersOf(filters: number): readonly Judge[] {
  return [
    { conv: 0, inputs: RGB, outputs: filters, stride: 2 },
    { conv: 2, norm: 3, inputs: filters, outputs: 2 * filters, stride: 2 },
    { conv: 5, norm: 6, inputs: 2 * filters, outputs: 4 * filters, stride: 2 },
    { conv: 8, norm: 9, inputs: 4 * filters, outputs: 8 * filters, stride: 1 },
    { conv: 11, inputs: 8 * filters, outputs: 1, stride: 1 },
  ];
}

/**
 * Parameters and running statistics of a discriminator, by their released names, in the order of
 * its modules.
 * Source: VQGAN's `NLayerDiscriminator` with three layers, which `DCAETrainer` uses.
 */
export function discriminatorShapes(filters: number): Shapes {
  const shapes: Shapes = new Map();
  for (const { conv, norm, inputs, outputs } of layersOf(filters)) {
    shapes.set(`main.${conv}.weight`, [outputs, inputs, SIZE, SIZE]);
    if (norm === undefined) shapes.set(`main.${conv}.bias`, [outputs]);
    else for (const name of NORM) shapes.set(`main.${norm}.${name}`, [outputs]);
  }
  return shapes;
}

/**
 * The same as they lie on the device: a convolution is a product of what `unfold` gives, so its
 * weight is [outputs, taps, inputs], inputs padded to a multiple of 4.
 */
export function discriminatorParameters(filters: number): Parameter[] {
  return [...discriminatorShapes(filters)].map(([name, shape]) => ({
    name,
    shape: shape.length === 1 ? shape : [shape[0]!, UNFOLD_TAPS * ceil4(shape[1]!)],
  }));
}

/** A parameter as it lies on the device. */
export function onDevice(values: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length === 1) return values;
  const moved = new Float32Array(shape[0]! * UNFOLD_TAPS * ceil4(shape[1]!));
  eachWeight(shape, (here, there) => moved[there] = values[here]!);
  return moved;
}

/** A parameter in its released order. */
export function fromDevice(values: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length === 1) return values;
  const moved = new Float32Array(size(shape));
  eachWeight(shape, (here, there) => moved[here] = values[there]!);
  return moved;
}

/** Places of each weight of a convolution: in its released order, and on the device. */
function eachWeight(
  [outputs, inputs]: readonly number[],
  visit: (here: number, there: number) => void,
): void {
  const padded = ceil4(inputs!);
  let here = 0;
  for (let n = 0; n < outputs!; n++) {
    for (let c = 0; c < inputs!; c++) {
      for (let tap = 0; tap < UNFOLD_TAPS; tap++) {
        visit(here++, (n * UNFOLD_TAPS + tap) * padded + c);
      }
    }
  }
}

/**
 * First weights, in released order: normal with a deviation of 0.02, around 1 in norms; biases of
 * convolutions as PyTorch draws them. Source: VQGAN's `weights_init`; the random draws differ.
 */
export function initialDiscriminator(seed: number, shapes: Shapes): ParameterSource {
  const generator = new CpuGenerator(seed);
  return (name, shape) => {
    const count = size(shape);
    const normal = (mean: number) => generator.randn(count).map((v) => mean + DEVIATION * v);
    if (shape.length > 1) return Promise.resolve(normal(0));
    if (name.endsWith("weight")) return Promise.resolve(normal(1));
    if (name.endsWith("running_var")) return Promise.resolve(new Float32Array(count).fill(1));
    if (!/^main\.(0|11)\.bias$/.test(name)) return Promise.resolve(new Float32Array(count));
    const inputs = size(shapes.get(name.replace(/bias$/, "weight"))!.slice(1));
    const bound = 1 / Math.sqrt(inputs);
    return Promise.resolve(generator.rand(count).map((v) => bound * (2 * v - 1)));
  };
}

/** What a discriminator says of pictures. */
export interface Judgement {
  /** [B, h, w, 4], logits in the first channel. */
  readonly logits: Tensor;
  /** Moves the running statistics as if it judged the same pictures once more. */
  readonly again: () => void;
  /**
   * Leads the logits' gradient, which it may overwrite, back: to the weights' gradients, or to
   * that of the pictures, which it returns.
   */
  readonly back: (slopes: Tensor, to: "weights" | "pictures") => Tensor;
}

/** Judges pictures [B, H, W, 4] from -1 to 1, the fourth channel zero, by the statistics of these. */
export function judge(t: Tape, filters: number, pictures: Tensor): Judgement {
  const layers: JudgeLayer[] = [];
  for (const part of layersOf(filters)) {
    layers.push(judgeLayer(t, part, layers.at(-1)?.y ?? pictures));
  }
  return {
    logits: layers.at(-1)!.y,
    again: () => layers.forEach(({ again }) => again()),
    back: (slopes, to) =>
      layers.reduceRight((dy, layer, i) => layer.back(dy, to, to === "pictures" || i > 0), slopes),
  };
}

interface JudgeLayer extends Pick<Judgement, "again"> {
  readonly y: Tensor;
  /** @param on whether to go on to the gradient of the layer's input */
  readonly back: (dy: Tensor, to: "weights" | "pictures", on: boolean) => Tensor;
}

function judgeLayer(t: Tape, part: Judge, x: Tensor): JudgeLayer {
  const { program: p } = t;
  const { conv, norm, outputs, stride } = part;
  const bias = norm === undefined;
  const inputs = UNFOLD_TAPS * x.shape.at(-1)!;
  const spec: ConvSpec = { names: [`main.${conv}`], inputs, outputs, size: 1, bias };
  const z = p.scope(() => convForward(t, spec, unfold(p, x, stride), { label: "judge" }));
  const normed = norm === undefined ? undefined : normLayer(t, `main.${norm}`, z);
  const isLast = outputs === 1;
  const y = normed?.y ?? (isLast ? z : activated(p, "leaky_relu", z));
  const back = (dy: Tensor, to: "weights" | "pictures", on: boolean) =>
    p.scope(() => {
      const dn = isLast ? dy : activatedBackward(p, "leaky_relu", y, dy); // as of its argument
      const dz = normed?.back(dn, to) ?? dn;
      if (to === "weights") p.scope(() => convGradients(t, spec, unfold(p, x, stride), dz));
      return on ? fold(p, convInputGradient(t, spec, dz), x.shape, stride) : dz;
    });
  return { y, again: () => normed?.again(), back };
}

/** A batch norm of z and a leaky ReLU. */
function normLayer(t: Tape, name: string, z: Tensor) {
  const { program: p } = t;
  const weights = {
    ...normWeights(t, name),
    runningMean: vector(t, `${name}.running_mean`),
    runningVar: vector(t, `${name}.running_var`),
  };
  const apply = (y: Tensor) => batchNorm(p, weights, { x: z, y }, "training", LEAK);
  const y = p.like(z, z.shape);
  const stats = apply(y);
  return {
    y,
    again: () => p.scope(() => void apply(p.like(z, z.shape))),
    back: (dy: Tensor, to: "weights" | "pictures") => {
      const dx = p.like(z, z.shape);
      const sums = batchNormBackward(p, weights, { x: z, dy, dx, stats });
      if (to === "weights") addNormGradients(t, name, sums);
      return dx;
    },
  };
}
