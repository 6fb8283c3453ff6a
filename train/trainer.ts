import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import { mostBytes } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { countRows } from "../kernels/modulated_norm.ts";
import { distillDraws } from "./distill/draws.ts";
import { type StepDraws, StepRandom } from "./draws.ts";
import type { Engine, PassKind } from "./engine.ts";
import { GpuTrainer, type PreparedStep } from "./gpu_trainer.ts";
import { arrangeInputs, layoutOf, type PassInputs } from "./inputs.ts";
import { initialWeights } from "./initial_weights.ts";
import { RESULTS } from "./network.ts";
import { planTraining, type TrainLimits, type TrainPlan } from "./plan.ts";
import type { ParameterSource, TrainBatch, TrainerSettings } from "./settings.ts";
import { checkBatch } from "./batches.ts";

export * from "./settings.ts";
export type { TrainLimits, TrainPlan } from "./plan.ts";

/**
 * Trains FAR or FAR_Long, one optimiser step per `submit`.
 * Source: released class `FARTrainer`.
 */
export class Trainer extends GpuTrainer<Engine> {
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
      const made = initialWeights(settings.seed, engine.parameters.all);
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

  protected override check(batch: TrainBatch): void {
    checkBatch(this.engine.settings, batch);
  }

  /** Draws as they are used: rearranged where a model is distilled. */
  #arranged(draws: StepDraws, step: number, videos: number): StepDraws {
    const { settings } = this.engine;
    const { distill } = settings;
    return distill ? distillDraws({ ...settings, distill }, step, draws, videos) : draws;
  }

  /**
   * The passes over a batch, part by part; where a model is distilled, one for each of its steps. Each
   * writes its inputs first.
   * @param kindOf what is recorded for a pass
   */
  #passes(batch: TrainBatch, draws: StepDraws, kindOf: (pass: number) => PassKind) {
    const { gpu, engine, engine: { distiller, division: { microBatch } } } = this;
    const each = distiller?.steps ?? 1;
    let prepared = this.#arrange(batch, draws, 0);
    const pass = (index: number): Program => {
      const [part, step] = [Math.floor(index / each), index % each];
      const kind = kindOf(index);
      if (step === 0 && part > 0) prepared = this.#arrange(batch, draws, part);
      const program = step === 0
        ? engine.prepare(gpu, prepared, kind)
        : engine.pass(prepared.layout, kind).program;
      distiller?.complete(gpu, { inputs: prepared, draws, first: part * microBatch }, step);
      return program;
    };
    return { count: each * Math.ceil(batch.videos / microBatch), pass };
  }

  /** Inputs of a part of the batch. */
  #arrange(batch: TrainBatch, draws: StepDraws, part: number): PassInputs {
    const { settings, division: { microBatch } } = this.engine;
    const first = part * microBatch;
    const count = Math.min(microBatch, batch.videos - first);
    return arrangeInputs(settings, batch, draws, { first, count, lossScale: this.lossScale.scale });
  }

  protected override prepare(batch: TrainBatch, step: number): PreparedStep {
    const { settings } = this.engine;
    const drawn = this.random.draw(settings, batch.videos, batch.frames);
    const draws = this.#arranged(drawn, step, batch.videos);
    const { count, pass } = this.#passes(batch, draws, (i) => i === 0 ? "train" : "train more");
    const size = { videos: batch.videos, frames: draws.frames };
    const tokens = countRows(layoutOf(settings, size));
    return { frames: draws.frames, tokens, passes: count, pass };
  }

  /**
   * Loss without a step, with noise and timesteps drawn from `seed`; all frames get noise. Where a
   * model is distilled, it is the distance from the teacher. Undefined if the signal aborts before
   * its last part.
   */
  async validate(
    batch: TrainBatch,
    seed: number,
    signal?: AbortSignal,
  ): Promise<number | undefined> {
    const { settings, results } = this.engine;
    checkBatch(settings, batch);
    const plain = { ...settings, cleanContext: undefined, conditionDropout: 0 };
    const drawn = new StepRandom(seed).draw(plain, batch.videos, batch.frames);
    const draws = this.#arranged(drawn, 0, batch.videos);
    this.gpu.write(results.buffer, 4 * RESULTS.validation, new Float32Array(1));
    const { count, pass } = this.#passes(batch, draws, () => "validate");
    for (let i = 0; i < count; i++) {
      if (i > 0 && signal && await this.isStopped(signal)) return undefined;
      this.gpu.run(pass(i));
    }
    return (await this.gpu.readFloats(results))[RESULTS.validation]!;
  }

  /**
   * Weights in released names and shapes; with LoRA only the adapters, with diffusers' names.
   * @throws {RangeError} averaged weights are requested, but none are kept
   */
  async parameters(which: "live" | "ema"): Promise<Map<string, Float32Array>> {
    const { settings, parameters: { isTrained } } = this.engine;
    if (which === "ema" && settings.ema === undefined) {
      throw new RangeError("Cannot read averaged weights: `ema` is off");
    }
    const all = await this.read(which === "ema");
    return settings.lora ? new Map([...all].filter(([name]) => isTrained(name))) : all;
  }
}
