import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import { mostBytes } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { packAdamwStep } from "../kernels/adamw.ts";
import { countRows } from "../kernels/modulated_norm.ts";
import { distillDraws } from "./distill/draws.ts";
import { type StepDraws, StepRandom } from "./draws.ts";
import type { Engine, PassKind } from "./engine.ts";
import { arrangeInputs, layoutOf, type PassInputs } from "./inputs.ts";
import { initialWeights } from "./initial_weights.ts";
import { RESULTS } from "./network.ts";
import { readParameterState, writeParameterState } from "./parameters.ts";
import { planTraining, type TrainLimits, type TrainPlan } from "./plan.ts";
import { learningRate } from "./schedule.ts";
import type {
  ParameterSource,
  StepResult,
  TrainBatch,
  TrainerSettings,
  TrainState,
} from "./settings.ts";
import { checkBatch, joinBatches } from "./batches.ts";

export * from "./settings.ts";
export type { TrainLimits, TrainPlan } from "./plan.ts";

/** A submitted step whose result was not read yet. */
type Pending = Omit<StepResult, "loss" | "gradNorm" | "finite">;

/**
 * Trains FAR or FAR_Long, one optimiser step per `submit`.
 * Source: released class `FARTrainer`.
 */
export class Trainer {
  readonly plan: TrainPlan;
  readonly #gpu: Gpu;
  readonly #engine: Engine;
  readonly #random: StepRandom;
  /** Steps submitted. */
  #step = 0;
  #pending: Pending | undefined;
  /** Batches of an incomplete step. */
  #parts: TrainBatch[] = [];

  private constructor(gpu: Gpu, engine: Engine, plan: TrainPlan) {
    this.#gpu = gpu;
    this.#engine = engine;
    this.plan = plan;
    this.#random = new StepRandom(engine.settings.seed);
  }

  /**
   * Needs of a run, computed without a device.
   * @param limits most bytes in total, per buffer and per image
   * @throws {RangeError} names settings that contradict each other or the model
   */
  static plan(
    settings: TrainerSettings,
    device: DeviceProfile,
    limits: TrainLimits = {},
  ): TrainPlan {
    return planTraining(settings, device, limits).plan;
  }

  /**
   * Makes the trainer on a device, with given weights or the released initialisation.
   * @param options most bytes (no limit), and the device profile for kernels (the adapter's)
   * @throws {RangeError} as `plan`, weights of other shapes, or no weights to distill
   * @throws {GpuError} not enough memory
   */
  static async open(
    gpu: Gpu,
    settings: TrainerSettings,
    initial: ParameterSource | "init",
    { memory, device = gpu.adapter }: { memory?: number; device?: DeviceProfile } = {},
  ): Promise<Trainer> {
    const buffer = mostBytes("storage", gpu.limits);
    const texture = mostBytes("texture", gpu.limits);
    const { engine, plan } = planTraining(settings, device, { memory, buffer, texture });
    try {
      engine.allocate(gpu);
      const made = initialWeights(settings.seed);
      const source: ParameterSource = initial === "init"
        ? made
        : (name, shape) => (name.includes(".lora_") ? made : initial)(name, shape);
      await engine.store.fill(gpu, source);
      if (engine.distiller) {
        if (initial === "init") throw new RangeError("Cannot distill: there are no weights yet");
        await engine.distiller.fill(gpu, initial);
      }
      await gpu.idle();
      return new Trainer(gpu, engine, plan);
    } catch (error) {
      engine.memory.free(gpu);
      throw error;
    }
  }

  /** Steps submitted, including those of an earlier run. */
  get step(): number {
    return this.#step;
  }

  /**
   * Starts a step (with accumulation: collects a part of one) and returns the previous step's
   * result, so that the device never waits.
   * @throws {RangeError} a batch of other sizes, or classes that the model does not have
   */
  async submit(batch: TrainBatch): Promise<StepResult | undefined> {
    const { settings } = this.#engine;
    checkBatch(settings, batch);
    this.#parts.push(batch);
    if (this.#parts.length < settings.accumulate) return undefined;
    const whole = joinBatches(this.#parts);
    this.#parts = [];
    const draws = this.#random.draw(settings, whole.videos, whole.frames);
    return await this.#run(whole, this.#arranged(draws, this.#step + 1, whole.videos));
  }

  /** Draws as they are used: rearranged where a model is distilled. */
  #arranged(draws: StepDraws, step: number, videos: number): StepDraws {
    const { settings } = this.#engine;
    const { distill } = settings;
    return distill ? distillDraws({ ...settings, distill }, step, draws, videos) : draws;
  }

  /** Writes a pass's inputs, and completes them where a model is distilled. */
  #prepare(inputs: PassInputs, kind: PassKind, draws: StepDraws, first: number): Program {
    const engine = this.#engine;
    const pass = engine.prepare(this.#gpu, inputs, kind);
    engine.distiller?.complete(this.#gpu, { inputs, draws, first });
    return pass;
  }

  /** Computes a step, and returns the previous one's result. */
  async #run(batch: TrainBatch, draws: StepDraws): Promise<StepResult | undefined> {
    const engine = this.#engine;
    const { settings, division: { microBatch } } = engine;
    const step = this.#step + 1;
    const lr = learningRate(settings, step);
    const part = (first: number) => ({
      first,
      count: Math.min(microBatch, batch.videos - first),
      lossScale: 1,
    });
    let inputs = arrangeInputs(settings, batch, draws, part(0));
    const before = this.#read(); // blocks until the device is idle, so do everything else first
    this.#writeStep(step, lr);
    for (let first = 0; first < batch.videos; first += microBatch) {
      if (first > 0) inputs = arrangeInputs(settings, batch, draws, part(first));
      const pass = this.#prepare(inputs, "train", draws, first);
      const last = first + microBatch >= batch.videos;
      this.#gpu.run(...last ? [pass, engine.update] : [pass]);
    }
    this.#step = step;
    const tokens = countRows(layoutOf(settings, batch.videos, draws.frames));
    this.#pending = { step, lr, frames: draws.frames, tokens };
    return await before;
  }

  #writeStep(step: number, lr: number): void {
    const engine = this.#engine;
    const { betas, weightDecay, eps, clip, ema = 0 } = engine.settings;
    const numbers = { step, lr, betas, weightDecay, eps, clip, ema, lossScale: 1 };
    this.#gpu.write(engine.results.buffer, 0, new Float32Array(2));
    this.#gpu.write(engine.step, 0, packAdamwStep(numbers));
  }

  /** Reads the result of the pending step; the copy is in progress when this returns. */
  #read(): Promise<StepResult | undefined> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return Promise.resolve(undefined);
    return this.#gpu.readFloats(this.#engine.results).then((results) => {
      const loss = results[RESULTS.loss]!;
      const gradNorm = Math.sqrt(results[RESULTS.squares]!);
      const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
      return { ...pending, loss, gradNorm, finite };
    });
  }

  /** Result of the last step submitted, if it was not returned yet. */
  flush(): Promise<StepResult | undefined> {
    return this.#read();
  }

  /**
   * Loss without a step, with noise and timesteps drawn from `seed`; all frames get noise, unless a
   * model is distilled: then it is the distance from the teacher, between clean frames.
   */
  async validate(batch: TrainBatch, seed: number): Promise<number> {
    const { settings, division: { microBatch }, results } = this.#engine;
    checkBatch(settings, batch);
    const { distill, cleanContext } = settings;
    const clean = distill ? cleanContext : undefined; // as the student will see it
    const plain = { ...settings, cleanContext: clean, conditionDropout: 0 };
    const drawn = new StepRandom(seed).draw(plain, batch.videos, batch.frames);
    const draws = this.#arranged(drawn, 0, batch.videos);
    this.#gpu.write(results.buffer, 4 * RESULTS.validation, new Float32Array(1));
    for (let first = 0; first < batch.videos; first += microBatch) {
      const count = Math.min(microBatch, batch.videos - first);
      const inputs = arrangeInputs(settings, batch, draws, { first, count, lossScale: 1 });
      this.#gpu.run(this.#prepare(inputs, "validate", draws, first));
    }
    return (await this.#gpu.readFloats(results))[RESULTS.validation]!;
  }

  /** Everything needed to continue. Call `flush` first: the state includes a step in progress. */
  async state(): Promise<TrainState> {
    const { store, settings } = this.#engine;
    return {
      step: this.#step,
      ...await readParameterState(store, this.#gpu, settings.ema !== undefined),
      random: this.#random.state,
    };
  }

  /** Restores a state. @throws {RangeError} it belongs to another model or other settings */
  async restore(state: TrainState): Promise<void> {
    this.#pending = undefined;
    this.#parts = [];
    writeParameterState(this.#engine.store, this.#gpu, state);
    this.#random.state = state.random;
    this.#step = state.step;
    await this.#gpu.idle();
  }

  /**
   * Weights in released names and shapes; with LoRA only the adapters, with diffusers' names.
   * @throws {RangeError} averaged weights are requested, but none are kept
   */
  async parameters(which: "live" | "ema"): Promise<Map<string, Float32Array>> {
    const { store, settings, parameters: { isTrained } } = this.#engine;
    const all = await store.read(this.#gpu, "weight");
    if (which === "ema") {
      if (settings.ema === undefined) {
        throw new RangeError("Cannot read averaged weights: `ema` is off");
      }
      for (const [name, values] of await store.read(this.#gpu, "shadow")) all.set(name, values);
    }
    if (!settings.lora) return all;
    return new Map([...all].filter(([name]) => isTrained(name)));
  }

  /** @internal Loss and gradients of a batch, without a step: for tests. */
  async gradients(
    batch: TrainBatch,
  ): Promise<{ readonly loss: number; readonly gradients: Map<string, Float32Array> }> {
    const engine = this.#engine;
    const { settings, division: { microBatch } } = engine;
    const drawn = this.#random.draw(settings, batch.videos, batch.frames);
    const draws = this.#arranged(drawn, this.#step + 1, batch.videos);
    this.#gpu.write(engine.results.buffer, 0, new Float32Array(2));
    for (let first = 0; first < batch.videos; first += microBatch) {
      const count = Math.min(microBatch, batch.videos - first);
      const inputs = arrangeInputs(settings, batch, draws, { first, count, lossScale: 1 });
      this.#gpu.run(this.#prepare(inputs, "train", draws, first));
    }
    const gradients = await engine.store.read(this.#gpu, "gradient");
    const loss = (await this.#gpu.readFloats(engine.results))[RESULTS.loss]!;
    for (const { copies } of engine.store.trained) {
      const { buffer } = copies.gradient!;
      this.#gpu.write(buffer, 0, new Uint8Array(buffer.bytes));
    }
    return { loss, gradients };
  }

  /** Frees the device's memory. */
  close(): void {
    this.#engine.memory.free(this.#gpu);
  }
}
