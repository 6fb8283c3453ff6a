import type { Gpu } from "../../gpu/gpu.ts";
import type { DeviceBuffer, Memory, Tensor } from "../../gpu/memory.ts";
import type { Program } from "../../gpu/program.ts";
import { ADAMW_STEP_BYTES, type AdamwStep, packAdamwStep } from "../../kernels/adamw.ts";
import {
  adaptiveSum,
  adversarialLoss,
  type AdversarialSide,
} from "../../kernels/adversarial_loss.ts";
import { clear } from "../../kernels/clear.ts";
import { inKind } from "../../kernels/copy.ts";
import { squaresScratch, sumOfSquares } from "../../kernels/total.ts";
import {
  type Parameter,
  type ParameterState,
  ParameterStore,
  readParameterState,
  writeParameterState,
} from "../parameters.ts";
import type { DiscriminatorState } from "../settings.ts";
import { SQUARES } from "../update.ts";
import {
  discriminatorParameters,
  discriminatorShapes,
  fromDevice,
  initialDiscriminator,
  judge,
  type Judgement,
  onDevice,
} from "./discriminator.ts";
import type { Tape } from "./layers.ts";
import { groupLabel, isStatistic } from "./parameters.ts";
import type { AdversarialSettings } from "./settings.ts";

/** Numbers that steps leave: the discriminator's loss, squares of its gradients, the other loss. */
const RESULTS = { discriminator: 0, squares: SQUARES, generator: 2 } as const;
/** Numbers of the adaptive weight: the adversarial loss, and squares of two gradients. */
const SUMS = { loss: 0, reconstruction: 1, adversarial: 2 } as const;
/** Term added to the norm of the adversarial gradient. */
const EPS = 1e-4;
/** The discriminator's gradients are not clipped. */
const NO_CLIP = 1e30;

/** Losses of a step in which a discriminator takes part. */
export interface AdversarialLosses {
  /** Minus the mean logit of reconstructions, as weighed. */
  readonly generatorLoss: number;
  /** Hinge loss of the discriminator. */
  readonly discriminatorLoss: number;
}

/** Tensors of a pass that the discriminator joins. */
export interface Judged {
  /** Pictures [B, H, W, 4] from -1 to 1, the fourth channel zero. */
  readonly x: Tensor;
  /** Their reconstructions. */
  readonly y: Tensor;
  /** Gradient of the reconstruction's loss, to which that of the adversarial one is added. */
  readonly dy: Tensor;
  /** Gradient of the decoder's last weight, for a gradient of y. */
  readonly lastGradient: (dy: Tensor) => Tensor;
}

/** A discriminator on the device with its optimiser: it learns to tell reconstructions apart. */
export class Adversary {
  /** As they lie on the device. */
  readonly parameters: readonly Parameter[];
  readonly store: ParameterStore;
  /** Values of a step on the device. */
  readonly results: Tensor;
  /** Parameters of its optimiser step. */
  readonly step: DeviceBuffer;
  readonly #settings: AdversarialSettings;

  constructor(memory: Memory, settings: AdversarialSettings) {
    this.#settings = settings;
    this.parameters = discriminatorParameters(settings.discFilters);
    this.store = new ParameterStore(memory, this.parameters, {
      isTrained: (name) => !isStatistic(name),
      ema: false,
      labelOf: groupLabel,
    });
    this.results = memory.tensor("adversarial results", [4]);
    this.step = memory.buffer("discriminator's step", ADAMW_STEP_BYTES, "uniform");
  }

  /** Writes first weights to the device, once its memory is allocated. */
  async fill(gpu: Gpu, seed: number): Promise<void> {
    const shapes = this.#shapes;
    const first = initialDiscriminator(seed, shapes);
    await this.store.fill(gpu, async (name) => {
      const shape = shapes.get(name)!;
      return onDevice(await first(name, shape), shape);
    });
  }

  get #shapes() {
    return discriminatorShapes(this.#settings.discFilters);
  }

  /**
   * Adds the adversarial gradient to dy, and those of both hinge losses to the weights'.
   * @param whole pictures of a step, of which these may be some
   * Source: released `DCAETrainer`, its second phase, where it judges reconstructions twice, then
   * given pictures.
   */
  record(t: Tape, { x, y, dy, lastGradient }: Judged, whole: number): void {
    const { program: p } = t;
    const { discFilters } = this.#settings;
    const tape = { ...t, store: this.store };
    const share = y.shape[0]! / whole;
    const learn = (side: AdversarialSide, { logits, back }: Judgement) =>
      p.scope(() => {
        const to = { results: this.results, slot: RESULTS.discriminator };
        back(adversarialLoss(p, side, logits, share, to), "weights");
      });
    p.scope(() => {
      const made = judge(tape, discFilters, y);
      p.scope(() => this.#addGradient(p, made, { dy, lastGradient }, share));
      made.again();
      learn("made", made);
    });
    p.scope(() => learn("given", judge(tape, discFilters, x)));
  }

  #addGradient(
    p: Program,
    { logits, back }: Judgement,
    { dy, lastGradient }: Pick<Judged, "dy" | "lastGradient">,
    share: number,
  ): void {
    const sums = p.scratch([4]);
    clear(p, sums, 0, 4);
    const slot = (slot: number) => ({ results: sums, slot });
    const dg = back(adversarialLoss(p, "making", logits, share, slot(SUMS.loss)), "pictures");
    const { kind } = dg.buffer;
    for (const [of, at] of [[dy, SUMS.reconstruction], [dg, SUMS.adversarial]] as const) {
      p.scope(() => {
        const gradient = lastGradient(inKind(p, of, kind));
        const partial = p.scratch([squaresScratch([gradient])]);
        sumOfSquares(p, [gradient], partial, slot(at));
      });
    }
    // the gradients are those of a share of the pictures
    const weight = { weight: this.#settings.discWeight, eps: EPS * share };
    const to = { results: this.results, slot: RESULTS.generator };
    adaptiveSum(p, { sums, dg: inKind(p, dg, "storage"), dy }, weight, to);
  }

  /** Writes the numbers of a step, and forgets the last one's losses. */
  begin(gpu: Gpu, numbers: Omit<AdamwStep, "clip" | "ema" | "lossScale">): void {
    gpu.write(this.results.buffer, 0, new Float32Array(4));
    const step = packAdamwStep({ ...numbers, clip: NO_CLIP, ema: 0, lossScale: 1 });
    gpu.write(this.step, 0, step);
  }

  /** Losses of the last step submitted, and whether they and the gradients are finite. */
  async losses(
    gpu: Gpu,
  ): Promise<{ readonly losses: AdversarialLosses; readonly finite: boolean }> {
    const results = await gpu.readFloats(this.results);
    const generatorLoss = results[RESULTS.generator]!;
    const discriminatorLoss = results[RESULTS.discriminator]!;
    const all = [generatorLoss, discriminatorLoss, results[RESULTS.squares]!];
    return { losses: { generatorLoss, discriminatorLoss }, finite: all.every(Number.isFinite) };
  }

  /** @internal Gradients in released names and shapes, then zeroed: for tests. */
  async gradients(gpu: Gpu): Promise<Map<string, Float32Array>> {
    const gradients = this.#moved(await this.store.read(gpu, "gradient"), fromDevice);
    this.store.clearGradients(gpu);
    return gradients;
  }

  /** Weights, statistics and moments. @param step steps that it took */
  async state(gpu: Gpu, step: number): Promise<DiscriminatorState> {
    const state = await readParameterState(this.store, gpu, false);
    return { step, shapes: this.#shapes, ...this.#movedState(state, fromDevice) };
  }

  /** Restores a state. @throws {RangeError} it belongs to another discriminator */
  restore(gpu: Gpu, state: DiscriminatorState): void {
    writeParameterState(this.store, gpu, { ...this.#movedState(state, onDevice), ema: undefined });
  }

  #movedState(
    { parameters, expAvg, expAvgSq }: Omit<ParameterState, "ema">,
    move: typeof onDevice,
  ): Omit<ParameterState, "ema"> {
    return {
      parameters: this.#moved(parameters, move),
      expAvg: this.#moved(expAvg, move),
      expAvgSq: this.#moved(expAvgSq, move),
    };
  }

  #moved(
    values: ReadonlyMap<string, Float32Array>,
    move: typeof onDevice,
  ): Map<string, Float32Array> {
    const shapes = this.#shapes;
    const known = [...values].filter(([name]) => shapes.has(name));
    return new Map(known.map(([name, value]) => [name, move(value, shapes.get(name)!)]));
  }
}
