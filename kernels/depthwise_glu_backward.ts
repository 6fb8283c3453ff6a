import code from "./depthwise_glu_backward.wgsl" with { type: "text" };
import inputCode from "./depthwise_input_gradient.wgsl" with { type: "text" };
import weightCode from "./depthwise_weight_gradient.wgsl" with { type: "text" };
import { expectShape, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { columnSums, type Place, SUM_CHUNK } from "./column_sums.ts";
import { filterSums } from "./conv2d_gradient.ts";
import { type DepthwiseWeights, stripLanes } from "./depthwise_glu.ts";
import { eachLane } from "./lanes.ts";
import { dispatchForm, memoryForms } from "./memory_forms.ts";

const BACKWARD = memoryForms("depthwise_glu_backward", code, ["x", "w", "bias", "dy", "dh", "y"]);
const INPUT_GRADIENT = memoryForms("depthwise_input_gradient", inputCode, ["x", "w", "y"]);
const WEIGHT_GRADIENT = memoryForms("depthwise_weight_gradient", weightCode, [
  "x",
  "dy",
  "partial",
]);
const TAPS = 9;
/** Approximate number of pixels per lane in the first pass. */
const CHUNK = 256;

/** Where to add the gradients of a depthwise convolution; absent if it is not trained. */
export interface DepthwiseGradients {
  readonly weight: Place | undefined;
  readonly bias: Place | undefined;
}

/** What `depthwiseGluBackward` reads and writes. */
export interface DepthwiseGluTensors {
  /** Its input [B, H, W, 2 C]. */
  readonly x: Tensor;
  /** Gradient of its result [B, H, W, C]. */
  readonly dy: Tensor;
  /** Gets that result once more [B, H, W, C], if it was not kept. */
  readonly y?: Tensor | undefined;
  /** The gradient of x, overwritten. */
  readonly dx: Tensor;
}

/**
 * Gradients of `depthwiseGlu`.
 * @throws {ShapeError}
 */
export function depthwiseGluBackward(
  p: Program,
  w: DepthwiseWeights,
  { x, dy, y, dx }: DepthwiseGluTensors,
  targets: DepthwiseGradients,
): void {
  const [b, height, width, both] = x.shape as [number, number, number, number];
  expectShape("depthwise_glu_backward dy", dy, [b, height, width, both / 2]);
  expectShape("depthwise_glu_backward dx", dx, x.shape);
  p.scope(() => {
    const dh = p.like(x, x.shape);
    const again = y ?? p.like(x, [4]);
    eachLane(p, BACKWARD, stripLanes(x), {
      constants: { AGAIN: Number(y !== undefined) },
      params: { height, width, channels: both / 2 },
      buffers: { x, w: w.weight, bias: w.bias, dy, dh, y: again },
    });
    eachLane(p, INPUT_GRADIENT, 2 * stripLanes(x), {
      params: { height, width, channels: both },
      buffers: { x: dh, w: w.weight, y: dx },
    });
    if (targets.weight) weightGradient(p, x, dh, targets.weight);
    if (!targets.bias) return;
    const pixels = b * height * width;
    const partial = p.scratch([Math.ceil(pixels / SUM_CHUNK) * both]);
    columnSums(p, { tensor: dh, stride: both }, [pixels, both], targets.bias, partial);
  });
}

function weightGradient(p: Program, x: Tensor, dy: Tensor, target: Place): void {
  const [b, height, width, channels] = x.shape as [number, number, number, number];
  const chunk = Math.max(1, Math.floor(CHUNK / width));
  const chunks = Math.ceil(b * height / chunk);
  const partial = p.like(x, [chunks, TAPS, 1, channels]);
  dispatchForm(p, WEIGHT_GRADIENT, {
    params: { rows: b * height, height, width, channels: channels / 4, chunk },
    buffers: { x, dy, partial },
    groups: [Math.ceil(channels / 32), TAPS / 3, chunks],
  });
  filterSums(p, partial, { n: 1, inputs: channels }, target);
}
