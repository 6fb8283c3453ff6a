import type { Gpu } from "../gpu/gpu.ts";
import type { GpuTimer, LabelTiming } from "../gpu/timing.ts";
import type { FarSizes } from "../model/config.ts";
import { packAdamwStep } from "../kernels/adamw.ts";
import { StepRandom } from "../train/draws.ts";
import { arrangeInputs } from "../train/inputs.ts";
import { planTraining, type TrainPlan } from "../train/plan.ts";
import { RELEASED_SETTINGS, type TrainerSettings } from "../train/settings.ts";
import { measure, type Measured, type MeasureOptions } from "./measure.ts";
import type { LatentSize } from "./step.ts";

/** What is trained on at once. */
export interface TrainCase extends LatentSize {
  /** Clips per step, computed at once. */
  readonly videos: number;
  /** Frames per clip. */
  readonly frames: number;
}

/** A training step, measured. */
export interface TrainStepResult extends TrainCase {
  /** Of one step: forward, backward, clipping, AdamW and averages. */
  readonly seconds: Measured;
  /** What a step computes and takes, as it was planned. */
  readonly plan: TrainPlan;
  /** Bytes that the device was asked for. */
  readonly allocated: number;
  /** Time by label, one pass per dispatch; undefined unless asked for and where nothing can tell. */
  readonly profile: readonly LabelTiming[] | undefined;
}

/** The released recipe over clips of one size, all of them at once. */
export function trainCaseSettings(
  config: FarSizes,
  { videos, frames, height, width }: TrainCase,
): TrainerSettings {
  return {
    ...RELEASED_SETTINGS,
    config,
    height,
    width,
    frames,
    batch: videos,
    microBatch: videos,
    recompute: false,
    trainingType: "base",
    steps: 1,
  };
}

/**
 * Measures a training step. Weights and latents are zero, which changes values, not time.
 * @throws {GpuError} more memory than the device has
 */
export async function measureTrainStep(
  gpu: Gpu,
  timer: GpuTimer,
  config: FarSizes,
  of: TrainCase,
  options: MeasureOptions & { readonly profile?: boolean },
): Promise<TrainStepResult> {
  const settings = trainCaseSettings(config, of);
  const { engine, plan } = planTraining(settings, gpu.adapter, {});
  const before = gpu.allocatedBytes;
  try {
    engine.allocate(gpu);
    const { videos, frames } = of;
    const latents = new Float32Array(videos * frames * config.channels * of.height * of.width);
    const classes = new Int32Array(videos * frames);
    const draws = new StepRandom(0).draw(settings, videos, frames);
    const batch = { videos, frames, latents, classes };
    const part = { first: 0, count: videos, lossScale: 1 };
    const pass = engine.prepare(gpu, arrangeInputs(settings, batch, draws, part), "train");
    // lr 0: weights stay what they are, finite
    const numbers = { ...settings, step: 1, lr: 0, ema: settings.ema ?? 0, lossScale: 1 };
    gpu.write(engine.step, 0, packAdamwStep(numbers));
    const seconds = await measure(timer, (times) => {
      for (let i = 0; i < times; i++) {
        timer.run(pass);
        timer.run(engine.update);
      }
    }, options);
    const profile = options.profile ? await timer.profile(pass) : undefined;
    return { ...of, seconds, plan, allocated: gpu.allocatedBytes - before, profile };
  } finally {
    engine.memory.free(gpu);
  }
}
