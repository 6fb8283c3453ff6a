/**
 * What single commands need from large rooms of the library. It stands apart from `app.ts` so that
 * other commands start without reading these rooms. These names may change at any time.
 * @module
 */

// measuring
export { type Clock, type MeasureOptions, secondsBy } from "./bench/measure.ts";
export { measurePeaks, type Peaks } from "./bench/peaks.ts";
export { type KernelResult, measureArchitecture, measureDecoder } from "./bench/kernels.ts";
export { measureStep, type StepResult } from "./bench/step.ts";
export {
  type CodecResult,
  type GenerationResult,
  measureCodec,
  measureGeneration,
} from "./bench/frames.ts";
export { measureProtocol, type ProtocolRun, SPEED_PROTOCOL } from "./bench/protocol.ts";
export { measureTrainStep, type TrainStepResult } from "./bench/train_step.ts";
export { syntheticPipeline } from "./bench/synthetic_model.ts";
export { type Tuned, tuneModel } from "./bench/tune.ts";

// training
export { previewTraining, type TrainPreview } from "./train/preview.ts";
export type { TrainedStep, TrainEvent, TrainOptions } from "./train/train.ts";
export { importPlay } from "./train/import/import_play.ts";
export {
  type AdversarialSettings,
  type AutoencoderOptions,
  type LossWeights,
  previewAutoencoder,
  trainAutoencoder,
} from "./train/autoencoder/train.ts";
export { planWorld, type WorldOptions, type WorldPlan } from "./train/world/world.ts";
export { addStartClips } from "./train/world/start_clips.ts";

// videos of live sessions
export { SessionVideo } from "./media/session_video.ts";
