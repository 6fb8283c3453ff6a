import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceBuffer, Memory, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { packAdamwStep } from "../kernels/adamw.ts";
import { joinBatches } from "./batches.ts";
import { StepRandom } from "./draws.ts";
import { LossScale } from "./loss_scale.ts";
import { RESULTS } from "./network.ts";
import { type ParameterStore, readParameterState, writeParameterState } from "./parameters.ts";
import type { TrainPlan } from "./plan.ts";
import type { StepTrainer } from "./run_loop.ts";
import { learningRate } from "./schedule.ts";
import type {
  StepResult,
  StepSettings,
  TrainBatch,
  TrainerSettings,
  TrainState,
} from "./settings.ts";

/** Seconds of work that are submitted at once, where a step may be given up. */
const PATIENCE = 1;

/** What is on the device, whatever is trained. */
interface TrainEngine {
  readonly settings: StepSettings & Partial<Pick<TrainerSettings, "dtype">>;
  readonly store: ParameterStore;
  readonly memory: Memory;
  /** Loss and squares of gradients, summed up on the device. */
  readonly results: Tensor;
  /** Parameters of an optimiser step. */
  readonly step: DeviceBuffer;
  /** Clipping, AdamW and EMA. */
  readonly update: Program;
}

/** A step to compute. */
export interface PreparedStep extends Pick<StepResult, "frames" | "tokens"> {
  /** Number of passes that make up the step. */
  readonly passes: number;
  /** Writes the inputs of a pass, and returns it; run it before the next is asked for. */
  pass(index: number): Program;
  /** What to run after the last pass (the engine's update). */
  readonly updates?: readonly Program[];
}

/** Losses of a step besides its own. */
interface OtherLosses {
  readonly losses: Partial<StepResult>;
  readonly finite: boolean;
}

/** A submitted step whose result was not read yet. */
interface Pending extends Omit<StepResult, "loss" | "gradNorm" | "finite"> {
  readonly lossScale: number;
}

/** Trains on the device, one optimiser step per `submit`; what is trained, its subclasses know. */
export abstract class GpuTrainer<E extends TrainEngine> implements StepTrainer {
  protected readonly random: StepRandom;
  /** Factor of the loss and of all gradients, so that f16 can hold them. */
  protected readonly lossScale: LossScale;
  /** Steps submitted. */
  #step = 0;
  #pending: Pending | undefined;
  /** Batches of an incomplete step. */
  #parts: TrainBatch[] = [];
  /** Duration of a pass, as last measured; unknown at first. */
  #passSeconds = Infinity;

  /** @internal */
  constructor(
    protected readonly gpu: Gpu,
    protected readonly engine: E,
    readonly plan: TrainPlan,
  ) {
    this.random = new StepRandom(engine.settings.seed);
    this.lossScale = new LossScale(engine.settings.dtype === "f16");
  }

  /** @throws {RangeError} a batch of other sizes */
  protected abstract check(batch: TrainBatch): void;

  /** Draws what a step needs and arranges its first inputs. */
  protected abstract prepare(batch: TrainBatch, step: number): PreparedStep;

  /** Steps submitted, including those of an earlier run. */
  get step(): number {
    return this.#step;
  }

  /**
   * Starts a step (with accumulation: collects a part of one) and returns the previous step's
   * result, so that the device never waits. If the signal aborts while passes of a long step are yet
   * to be submitted, the step is given up as if it had never begun, and `step` stays.
   * @throws {RangeError} a batch of other sizes, or classes that the model does not have
   */
  async submit(batch: TrainBatch, signal?: AbortSignal): Promise<StepResult | undefined> {
    const { settings } = this.engine;
    this.check(batch);
    this.#parts.push(batch);
    if (this.#parts.length < settings.accumulate) return undefined;
    const step = this.#step + 1;
    const lr = learningRate(settings, step);
    const lossScale = this.lossScale.begin(step);
    const random = this.random.state;
    const prepared = this.prepare(joinBatches(this.#parts), step);
    this.#parts = [];
    const before = this.flush(); // blocks until the device is idle, so do everything else first
    this.#writeStep(step, lr, lossScale);
    if (await this.#runPasses(prepared, signal)) {
      const { frames, tokens } = prepared;
      this.#step = step;
      this.#pending = { step, lr, frames, tokens, lossScale };
    } else {
      this.random.state = random;
      this.engine.store.clearGradients(this.gpu);
    }
    return await before;
  }

  /** Submits the passes of a step, long ones one by one. Returns false if it was given up. */
  async #runPasses(
    { passes, pass, updates = [this.engine.update] }: PreparedStep,
    signal?: AbortSignal,
  ): Promise<boolean> {
    let [waited, start] = [0, performance.now()];
    for (let i = 0; i < passes; i++) {
      const isLast = i === passes - 1;
      this.gpu.run(pass(i), ...isLast ? updates : []);
      if (isLast || !signal || (i + 1 - waited) * this.#passSeconds < PATIENCE) continue;
      const stopped = await this.isStopped(signal);
      const now = performance.now(); // since the start: a driver may wait in `run` too
      this.#passSeconds = (now - start) / 1000 / (i + 1 - waited);
      [waited, start] = [i + 1, now];
      if (stopped) return false;
    }
    return true;
  }

  /** Whether a signal has aborted by the time that all submitted work is done. */
  protected async isStopped(signal: AbortSignal): Promise<boolean> {
    await this.gpu.idle();
    await new Promise((resolve) => setTimeout(resolve)); // signals arrive between tasks
    return signal.aborted;
  }

  #writeStep(step: number, lr: number, lossScale: number): void {
    const { results, settings: { betas, weightDecay, eps, clip, ema = 0 } } = this.engine;
    const numbers = { step, lr, betas, weightDecay, eps, clip, ema, lossScale };
    this.gpu.write(results.buffer, 0, new Float32Array(2));
    this.gpu.write(this.engine.step, 0, packAdamwStep(numbers));
  }

  /**
   * Result of the last step submitted, if it was not returned yet. The copy is in progress when this
   * returns.
   */
  flush(): Promise<StepResult | undefined> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return Promise.resolve(undefined);
    const read = [this.gpu.readFloats(this.engine.results), this.others(pending.step)] as const;
    return Promise.all(read).then(([results, others]) => {
      const loss = results[RESULTS.loss]!;
      const { lossScale: scale, ...of } = pending;
      const gradNorm = Math.sqrt(results[RESULTS.squares]!) / scale;
      const finite = [loss, gradNorm].every(Number.isFinite) && others?.finite !== false;
      this.lossScale.note({ step: of.step, scale, finite });
      return { ...of, loss, gradNorm, ...others?.losses, finite };
    });
  }

  /** Other losses of the last step submitted, where it has some, and whether they are finite. */
  protected others(_step: number): Promise<OtherLosses | undefined> {
    return Promise.resolve(undefined);
  }

  /** Everything needed to continue. Call `flush` first: the state includes a step in progress. */
  async state(): Promise<TrainState> {
    const { store, settings } = this.engine;
    const lossScale = this.lossScale.state;
    return {
      step: this.#step,
      ...await readParameterState(store, this.gpu, settings.ema !== undefined),
      random: this.random.state,
      ...lossScale && { lossScale },
    };
  }

  /** Restores a state. @throws {RangeError} it belongs to another model or other settings */
  async restore(state: TrainState): Promise<void> {
    this.#pending = undefined;
    this.#parts = [];
    writeParameterState(this.engine.store, this.gpu, state);
    this.random.state = state.random;
    this.lossScale.restore(state.lossScale);
    this.#step = state.step;
    await this.gpu.idle();
  }

  /** Weights in released names and shapes; the averages of those that have one replace them. */
  protected async read(averaged: boolean): Promise<Map<string, Float32Array>> {
    const { store } = this.engine;
    const all = await store.read(this.gpu, "weight");
    if (!averaged) return all;
    for (const [name, values] of await store.read(this.gpu, "shadow")) all.set(name, values);
    return all;
  }

  /** @internal Loss and gradients of a batch, without a step: for tests. */
  async gradients(
    batch: TrainBatch,
  ): Promise<{ readonly loss: number; readonly gradients: Map<string, Float32Array> }> {
    const { store, results } = this.engine;
    const { passes, pass } = this.prepare(batch, this.#step + 1);
    this.gpu.write(results.buffer, 0, new Float32Array(2));
    for (let i = 0; i < passes; i++) this.gpu.run(pass(i));
    const gradients = await store.read(this.gpu, "gradient");
    const loss = (await this.gpu.readFloats(results))[RESULTS.loss]!;
    store.clearGradients(this.gpu);
    return { loss, gradients };
  }

  /** Frees the device's memory. */
  close(): void {
    this.engine.memory.free(this.gpu);
  }
}
