import type { DataSet } from "./data/data_set.ts";
import { Sampler } from "./data/sampler.ts";
import { findStart, openTraining, type RunKind, type RunTypes } from "./run.ts";
import type { TrainOptions } from "./run_options.ts";
import type { StepTrainer } from "./run_loop.ts";
import type { TrainPlan } from "./plan.ts";
import { TRANSFORMER } from "./train_run.ts";

/** Needs of a run. */
export interface TrainPreview {
  /** Memory and work of a step. */
  readonly plan: TrainPlan;
  /** Clips to train on. */
  readonly clips: number;
  /** Frames of all clips. */
  readonly frames: number;
  /** Mean of several steps in a row, of each phase that the run has. */
  readonly secondsPerStep: number;
}

/** Least steps to measure, after one that compiles the kernels; most, and seconds to fill. */
const MEASURED = { least: 3, most: 100, seconds: 1 } as const;
/** Seconds after which no further step is measured; a first step of more counts itself. */
const LONG = 60;

/**
 * Opens the data, plans the memory and measures a few steps. It writes only latents into the cache.
 * @throws as `train`
 */
export function previewTraining(options: TrainOptions): Promise<TrainPreview> {
  return preview(TRANSFORMER, options);
}

/** The needs of a run of any kind. */
export async function preview<R extends RunTypes>(
  kind: RunKind<R>,
  options: R["options"],
): Promise<TrainPreview> {
  await using opened = new AsyncDisposableStack();
  const origin = await kind.readOrigin(options);
  await findStart(options, origin);
  const { data: { train }, settings, trainer } = await openTraining(kind, options, origin, opened);
  const { batch, seed, accumulate, steps } = settings;
  const sampler = new Sampler({ starts: train.starts, batch, seed, shuffle: true });
  const phases = kind.phases?.(settings) ?? [0];
  let secondsPerStep = 0;
  for (const [i, start] of phases.entries()) {
    if (start > 0) await trainer.restore({ ...await trainer.state(), step: start });
    const share = ((phases[i + 1] ?? steps) - start) / steps;
    secondsPerStep += share * await measureSteps(trainer, train, sampler, accumulate);
  }
  const { clips: { length: clips }, frames } = train;
  return { plan: trainer.plan, clips, frames, secondsPerStep };
}

/**
 * Seconds of a step, after one that compiles the kernels: a few in a row, as a run takes them, whose
 * results are read late; fewer where steps are long, and the first one where compiling it cannot
 * matter.
 */
export async function measureSteps(
  trainer: StepTrainer,
  data: DataSet,
  sampler: Sampler,
  accumulate: number,
): Promise<number> {
  const step = async () => {
    for (let part = 0; part < accumulate; part++) {
      await trainer.submit(await data.batch(sampler.next()));
    }
  };
  const since = (start: number) => (performance.now() - start) / 1000;
  const begin = performance.now();
  await step();
  await trainer.flush();
  const first = since(begin);
  if (first > LONG) return first;
  const start = performance.now();
  const { least, most, seconds } = MEASURED;
  let steps = 0;
  while (
    steps < least ? steps === 0 || since(begin) < LONG : steps < most && since(start) < seconds
  ) {
    await step();
    steps++;
  }
  await trainer.flush();
  return since(start) / steps;
}
