import { Gpu } from "../gpu/gpu.ts";
import type { DataSet } from "./data/data_set.ts";
import { Sampler } from "./data/sampler.ts";
import { readOrigin, settingsOf } from "./origin.ts";
import type { TrainOptions } from "./run_options.ts";
import type { StepTrainer } from "./run_loop.ts";
import { openClips } from "./train_run.ts";
import { Trainer, type TrainPlan } from "./trainer.ts";

/** Needs of a run. */
export interface TrainPreview {
  /** Memory and work of a step. */
  readonly plan: TrainPlan;
  /** Clips to train on. */
  readonly clips: number;
  /** Frames of all clips. */
  readonly frames: number;
  /** Median of several steps. */
  readonly secondsPerStep: number;
}

/** Steps to measure, after one that compiles the kernels. */
const MEASURED = 3;

/**
 * Opens the data, plans the memory and measures a few steps. It writes only latents into the cache.
 * @throws as `train`
 */
export async function previewTraining(options: TrainOptions): Promise<TrainPreview> {
  const origin = await readOrigin(options);
  const gpu = options.gpu ?? await Gpu.open({ backend: options.backend });
  try {
    const { train } = await openClips(options, origin, gpu);
    const settings = settingsOf(options, origin, train.sizes);
    const trainer = await Trainer.open(gpu, settings, origin.initial);
    const { batch, seed } = settings;
    const sampler = new Sampler({ starts: train.starts, batch, seed, shuffle: true });
    const secondsPerStep = await measureSteps(trainer, train, sampler, settings.accumulate);
    trainer.close();
    return {
      plan: trainer.plan,
      clips: train.clips.length,
      frames: train.frames,
      secondsPerStep,
    };
  } finally {
    if (!options.gpu) await gpu.close();
  }
}

/** Seconds of a step: the median of a few, after one that compiles the kernels. */
export async function measureSteps(
  trainer: StepTrainer,
  data: DataSet,
  sampler: Sampler,
  accumulate: number,
): Promise<number> {
  const seconds: number[] = [];
  for (let i = 0; i <= MEASURED; i++) {
    const start = performance.now();
    for (let part = 0; part < accumulate; part++) {
      await trainer.submit(await data.batch(sampler.next()));
    }
    await trainer.flush();
    if (i > 0) seconds.push((performance.now() - start) / 1000);
  }
  return seconds.sort((a, b) => a - b)[Math.floor(MEASURED / 2)]!;
}
