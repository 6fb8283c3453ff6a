import { openParts } from "../run.ts";
import type { TrainedStep } from "../run_loop.ts";
import type { AutoencoderOptions } from "./options.ts";
import { AUTOENCODER, AutoencoderRun } from "./run.ts";

export type { AutoencoderOptions } from "./options.ts";
export type { AdversarialSettings, LossWeights } from "./settings.ts";
export { previewAutoencoder } from "./preview.ts";

/**
 * Trains an autoencoder on clips, step by step; the output folder is an autoencoder at all times,
 * which `train` takes as `vae`. If it contains a stopped run, that run continues, with the same
 * steps, bit for bit, as without the stop. Leaving the loop frees the device and loses unsaved
 * steps, so end a run by `signal` to keep everything.
 * @throws {MediaError} clips that cannot be used
 * @throws {CheckpointError} a model or checkpoint that cannot be used, other settings, a full disk
 * @throws {TypeError | RangeError} options that do not fit each other or the model
 * @throws {GpuError} not enough memory, a lost device (the same call continues)
 * @throws {TrainingError} values are no longer finite, or nothing is learned
 */
export async function* trainAutoencoder(
  options: AutoencoderOptions,
): AsyncGenerator<TrainedStep, void, void> {
  yield* new AutoencoderRun(await openParts(AUTOENCODER, options)).steps();
}
