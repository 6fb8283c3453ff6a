import type { TrainedStep } from "./run_loop.ts";
import type { TrainOptions } from "./run_options.ts";

export type { TrainEvent, TrainOptions } from "./run_options.ts";
export type { TrainedStep } from "./run_loop.ts";

/**
 * Trains a model on clips, step by step. If the output folder contains a stopped run, that run
 * continues, with the same steps, bit for bit, as without the stop. Leaving the loop frees the
 * device and loses unsaved steps, so end a run by `signal` to keep everything.
 * @throws {MediaError} clips that cannot be used
 * @throws {CheckpointError} a model or checkpoint that cannot be used, other settings, a full disk
 * @throws {TypeError | RangeError} options that do not fit each other or the model
 * @throws {GpuError} not enough memory, a lost device (the same call continues)
 * @throws {TrainingError} values are no longer finite, or nothing is learned
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainedStep, void, void> {
  // loaded only now: a program that uses the library starts without the room of training
  const { openParts } = await import("./run.ts");
  const { TrainRun, TRANSFORMER } = await import("./train_run.ts");
  yield* new TrainRun(await openParts(TRANSFORMER, options)).steps();
}
