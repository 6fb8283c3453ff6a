import type { TrainedStep } from "./run_loop.ts";
import { TrainRun } from "./train_run.ts";
import type { TrainOptions } from "./run_options.ts";

export type { TrainEvent, TrainOptions } from "./run_options.ts";
export { type TrainedStep, TrainingError } from "./run_loop.ts";
export { previewTraining, type TrainPreview } from "./preview.ts";

/**
 * Trains a model on clips, step by step. Where the output folder holds a run that was stopped, it
 * goes on: its steps are the same, bit for bit, as if it had not been. Leaving the loop frees the
 * device; what was not saved is lost then, so end a run by `signal` to keep all of it.
 * @throws {MediaError} clips that cannot be used
 * @throws {CheckpointError} a model or checkpoint that cannot be used, other settings, a full disk
 * @throws {TypeError | RangeError} options that do not fit each other or the model
 * @throws {GpuError} not enough memory, a lost device (the same call goes on)
 * @throws {TrainingError} numbers are not finite any more, or nothing is learned
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainedStep, void, void> {
  const run = await TrainRun.open(options);
  try {
    yield* run.steps();
  } finally {
    await run.close();
  }
}
