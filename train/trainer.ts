import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceProfile } from "../gpu/program.ts";
import type { ParameterSource, StepResult, TrainBatch } from "./settings.ts";
import type { TrainerSettings, TrainState } from "./settings.ts";

export * from "./settings.ts";

/** What a run will take, known without a device. */
export interface TrainPlan {
  /** Bytes by kind. */
  readonly bytes: {
    readonly weights: number;
    readonly gradients: number;
    readonly moments: number;
    readonly ema: number;
    readonly activations: number;
    /** Inputs, tables, parameter blocks of kernels. */
    readonly other: number;
    readonly total: number;
  };
  /** Videos that the device computes at once. */
  readonly microBatch: number;
  readonly recompute: boolean;
  /** Of one optimiser step (the longest one, where lengths are drawn). */
  readonly flops: number;
  readonly dispatches: number;
  /** Numbers that are trained, and all of the model. */
  readonly trained: number;
  readonly parameters: number;
}

/**
 * Trains FAR or FAR_Long, one optimiser step per `submit`.
 * Source: released class `FARTrainer`.
 */
export declare class Trainer {
  /**
   * What a run will take.
   * @throws {RangeError} settings that contradict each other or the model, by name
   */
  static plan(
    settings: TrainerSettings,
    device: DeviceProfile,
    memoryLimit?: number,
  ): TrainPlan;
  /**
   * Makes the trainer on a device, with given weights or the released initialisation.
   * @throws {RangeError} as `plan`
   * @throws {GpuError} not enough memory
   */
  static open(
    gpu: Gpu,
    settings: TrainerSettings,
    initial: ParameterSource | "init",
  ): Promise<Trainer>;
  readonly plan: TrainPlan;
  /**
   * Starts a step (with accumulation: a part of one) and returns the result of the step before, so
   * that the device never waits. @throws {RangeError} a batch of other sizes or classes
   */
  submit(batch: TrainBatch): Promise<StepResult | undefined>;
  /** Result of the last step submitted, where it was not returned yet. */
  flush(): Promise<StepResult | undefined>;
  /** Loss without a step, with noise and timesteps drawn from `seed` and no dropout. */
  validate(batch: TrainBatch, seed: number): Promise<number>;
  /** All that is needed to go on. Call `flush` first: a step under way is part of it. */
  state(): Promise<TrainState>;
  restore(state: TrainState): Promise<void>;
  /** Weights in released names and shapes; with LoRA the adapters alone, in peft's. */
  parameters(which: "live" | "ema"): Promise<Map<string, Float32Array>>;
  close(): void;
}
