import type { Gpu } from "../../gpu/gpu.ts";
import type { Memory, Tensor } from "../../gpu/memory.ts";
import { colourScale, colourScaleBackward } from "../../kernels/colour_scale.ts";
import { inKind } from "../../kernels/copy.ts";
import { featureDistance } from "../../kernels/feature_distance.ts";
import { maxPool, maxPoolBackward } from "../../kernels/max_pool.ts";
import type { Slot } from "../../kernels/total.ts";
import { type Convolution, type LpipsNetwork, STAGES } from "../../metrics/lpips.ts";
import { type Parameter, ParameterStore } from "../parameters.ts";
import {
  activatedBackward,
  convForward,
  convInputGradient,
  type ConvSpec,
  type Tape,
} from "./layers.ts";
import { groupLabel } from "./parameters.ts";

function specOf({ index, inputs, outputs }: Convolution): ConvSpec {
  return { names: [`vgg.${index}`], inputs, outputs, size: 3, bias: true };
}

/** A stage's features, before each of its layers and after the last. */
interface Features {
  /** What was pooled: the result of the stage before. */
  readonly before: Tensor;
  readonly layers: readonly { readonly convolution: Convolution; readonly y: Tensor }[];
  readonly y: Tensor;
}

/** LPIPS by VGG16 as a part of a loss: how different pictures look, with the gradient. */
export class PerceptualLoss {
  readonly #network: LpipsNetwork;
  readonly #store: ParameterStore;
  readonly #heads: readonly Tensor[];

  /** @throws {RangeError} another network than VGG16 */
  constructor(memory: Memory, network: LpipsNetwork) {
    if (network.backbone !== "vgg") {
      throw new RangeError("Cannot train by LPIPS of AlexNet: give VGG16");
    }
    this.#network = network;
    this.#store = new ParameterStore(memory, PERCEPTUAL_PARAMETERS, {
      ...{ isTrained: () => false, ema: false, labelOf: groupLabel },
    });
    this.#heads = network.heads.map((head, i) => memory.tensor(`LPIPS head ${i}`, [head.length]));
  }

  /** Writes the weights to the device, once its memory is allocated. */
  async fill(gpu: Gpu): Promise<void> {
    const { weights, heads } = this.#network;
    await this.#store.fill(gpu, (name) => {
      const { weight, bias } = weights.get(Number(name.split(".")[1]))!;
      return Promise.resolve(name.endsWith("bias") ? bias : channelsFirst(weight, bias.length));
    });
    for (const [i, head] of heads.entries()) gpu.write(this.#heads[i]!.buffer, 0, head);
  }

  /**
   * results[slot] += weight LPIPS of y [B, H, W, 4] against x, both from -1 to 1: the mean over
   * pictures; in training also its gradient, added to dy.
   * @param pictures number of pictures over which the mean is taken, if these are only some
   */
  record(
    t: Tape,
    { x, y, dy }: Readonly<Record<"x" | "y" | "dy", Tensor>>,
    { weight, pictures }: { readonly weight: number; readonly pictures: number },
    slot: Slot,
  ): void {
    const { program: p } = t;
    const tape = { ...t, store: this.#store };
    p.scope(() => {
      const [given, made] = [x, y].map((tensor) => this.#features(tape, colourScale(p, tensor)));
      let slope: Tensor | undefined;
      for (const [i, head] of [...this.#heads.entries()].reverse()) {
        const stage = made![i]!;
        const tensors = { x: given![i]!.y, y: stage.y, head, dy: slope };
        const dfeatures = featureDistance(p, tensors, weight / pictures, slot);
        if (t.training) slope = stageBackward(tape, stage, dfeatures, i > 0);
      }
      if (slope) colourScaleBackward(p, inKind(p, slope, "storage"), dy);
    });
  }

  #features(t: Tape, x: Tensor): Features[] {
    let y = x;
    return STAGES.vgg.map(({ pool, convolutions }) => {
      const before = y;
      if (pool !== undefined) y = maxPool(t.program, y);
      const layers = convolutions.map((convolution) => {
        y = convForward(t, specOf(convolution), y, { activation: "relu" });
        return { convolution, y };
      });
      return { before, layers, y };
    });
  }
}

/** The gradient of what a stage began with; dy is overwritten. */
function stageBackward(t: Tape, { before, layers }: Features, dy: Tensor, pools: boolean): Tensor {
  const { program: p } = t;
  const first = layers.reduceRight(
    (slope, { convolution, y }) =>
      convInputGradient(t, specOf(convolution), activatedBackward(p, "relu", y, slope)),
    dy,
  );
  return pools ? maxPoolBackward(p, before, first) : first;
}

/** The weights of VGG16 that LPIPS needs. */
export const PERCEPTUAL_PARAMETERS: readonly Parameter[] = STAGES.vgg.flatMap(({ convolutions }) =>
  convolutions.flatMap(({ index, inputs, outputs }) => [
    { name: `vgg.${index}.weight`, shape: [outputs, inputs, 3, 3] },
    { name: `vgg.${index}.bias`, shape: [outputs] },
  ])
);

/** [outputs, 3, 3, inputs] as [outputs, inputs, 3, 3]. */
function channelsFirst(weight: Float32Array, outputs: number): Float32Array {
  const inputs = weight.length / outputs / 9;
  return weight.map((_, i) => {
    const [output, within] = [Math.floor(i / 9 / inputs), i % (9 * inputs)];
    return weight[(output * 9 + within % 9) * inputs + Math.floor(within / 9)]!;
  });
}
