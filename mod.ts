/**
 * far: FAR video models (frame-autoregressive diffusion, arXiv 2503.19325) on WebGPU.
 *
 * `docs/library.md` says more, and `examples/` has whole programs.
 *
 * @example Generate frames one by one
 * ```ts
 * import { loadPipeline } from "./mod.ts";
 *
 * const pipeline = await loadPipeline("weights/demo");
 * const options = { frames: 4, width: 64, height: 64, actions: [0, 0, 0, 1], steps: 8 };
 * for await (const frame of pipeline.generate(options)) {
 *   console.error(frame.index, frame.pixels.width, frame.pixels.height);
 * }
 * await pipeline.close();
 * ```
 *
 * @example Continue a clip, into an MP4
 * ```ts
 * import { isRgb, loadPipeline, openFrameWriter, readClip, toFloat, toRgb } from "./mod.ts";
 *
 * const [side, contextFrames] = [64, 6];
 * const clip = await readClip("weights/demo/clips/1.npz", { count: contextFrames });
 * const context = new Float32Array(contextFrames * 3 * side * side);
 * for (const [i, frame] of clip.frames.entries()) {
 *   context.set((isRgb(frame) ? toFloat(frame) : frame).data, i * 3 * side * side);
 * }
 *
 * const pipeline = await loadPipeline("weights/demo");
 * const size = { width: side, height: side };
 * const actions = [...clip.actions!.slice(0, contextFrames), 1, 1]; // context's, then two turns
 * const writer = await openFrameWriter("continued.mp4", { ...size, fps: pipeline.info.fps });
 * const options = { ...size, frames: 2, context, contextFrames, actions, steps: 4 };
 * for await (const { pixels } of pipeline.generate(options)) await writer.write(toRgb(pixels));
 * await writer.close();
 * await pipeline.close();
 * ```
 *
 * @example A loop of your own: what comes next depends on what was seen
 * ```ts
 * import { LiveWorld, loadPipeline } from "./mod.ts";
 *
 * const pipeline = await loadPipeline("weights/demo");
 * const world = await LiveWorld.start(pipeline, { width: 64, height: 64, steps: 4 });
 * let action = 0;
 * for (let i = 0; i < 4; i++) {
 *   const { pixels } = await world.step(action);
 *   action = pixels.data[0]! > 0.5 ? 0 : 1; // forward where the corner is bright, else left
 * }
 * world.close();
 * await pipeline.close();
 * ```
 * @module
 */

// the model
export { loadPipeline, type Pipeline, type PipelineOptions } from "./run/pipeline.ts";
export { type Frame, type PreparedRun, type RunPlan } from "./run/prepared_run.ts";
export type { Condition } from "./model/config.ts";
export type { GenerateOptions } from "./run/options.ts";
export { declareModel, type ModelInfo, type ModelParts } from "./model/model.ts";
export { type LiveOptions, type LiveSettings, LiveWorld } from "./run/live.ts";
export {
  configuredMemory,
  type MemoryNeed,
  memoryNeeded,
  type MemoryOptions,
  presetMemory,
} from "./released/memory_needed.ts";
export { selfTest, type SelfTestResult } from "./run/self_test.ts";
export { type Solver, SOLVERS } from "./model/scheduler.ts";

// the device
export { type AdapterReport, listAdapters } from "./gpu/adapters.ts";
export { type AdapterSummary, Gpu, type GpuOptions } from "./gpu/gpu.ts";
export type { DeviceProfile } from "./gpu/program.ts";
export { GpuError, type GpuErrorReason, ShapeError } from "./gpu/errors.ts";

// how fast it is
export { GpuTimer, type LabelTiming, type Timing } from "./gpu/timing.ts";
export { type Clock, type Measured, type MeasureOptions, secondsBy } from "./bench/measure.ts";
export { measurePeaks, type Peaks } from "./bench/peaks.ts";
export {
  type KernelOptions,
  type KernelResult,
  measureArchitecture,
  measureDecoder,
  type Work,
} from "./bench/kernels.ts";
export { type LatentSize, measureStep, type StepCase, type StepResult } from "./bench/step.ts";
export {
  type CodecResult,
  type GenerationResult,
  measureCodec,
  measureGeneration,
} from "./bench/frames.ts";
export type { Spread } from "./bench/spread.ts";
export { type SyntheticOptions, syntheticPipeline } from "./bench/synthetic_model.ts";
export { type Numbers, type Tuned, tuneModel, type TuneOptions } from "./bench/tune.ts";
export type { TuningTable } from "./gpu/tuning.ts";
export { writeTuning } from "./gpu/tuning_file.ts";

// files of weights
export {
  CheckpointError,
  type CheckpointReason,
  printable,
  quote,
  shapeText,
} from "./files/errors.ts";
export type { Checkpoint } from "./weights/checkpoint.ts";
export { type ModelFolder, type ModelPart, openModelFolder } from "./weights/model_folder.ts";
export { type OpenWeights, openWeights } from "./weights/open_weights.ts";
export { PthFile } from "./weights/pth.ts";
export { type JsonObject, type JsonValue, parseJson } from "./files/json.ts";
export { readJson } from "./files/read_json.ts";
export { type ReadShapes, recognise, type Recognised } from "./released/recognise.ts";
export type { StateDictChoice } from "./weights/state_dict.ts";

// released models, converting and pulling
export { convertModel, type ConvertOptions, type ConvertReport } from "./released/convert.ts";
export type { PartReport, TargetDtype } from "./released/convert_part.ts";
export { ARCHITECTURE_NAMES } from "./released/model_files.ts";
export {
  type ArchitectureName,
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
  type Dataset,
  HUB_REPOSITORY,
  type Preset,
  PRESETS,
} from "./released/presets.ts";
export {
  findModel,
  folderBytes,
  type LocalModel,
  localModels,
  type PresetState,
  presetStates,
} from "./released/local_models.ts";
export {
  type PlannedFile,
  planPull,
  pull,
  type Pulled,
  type PulledFile,
  type PulledPreset,
  type PullOptions,
  pullPreset,
  type PullPresetOptions,
} from "./released/pull.ts";
export type { FetchTools } from "./hub/fetch.ts";
export { type HubTarget, parseTarget } from "./hub/names.ts";
export { type Environment, type HubSettings, hubSettings } from "./hub/settings.ts";
export {
  readFloats,
  readIntegers,
  type SafetensorsEntry,
  SafetensorsFile,
  type TensorInfo,
  writeSafetensors,
} from "./weights/safetensors.ts";

export type { ByteSink } from "./weights/safetensors_writer.ts";
export type { Dtype, TensorFile } from "./weights/tensor_file.ts";

// pictures and videos
export { type Clip, type ClipOptions, readClip } from "./media/clip.ts";
export { type CodecReport, type CodecState, reportCodecs } from "./media/codec_report.ts";
export type { Matrix } from "./media/color.ts";
export { ClosedPipeError, MediaError } from "./media/errors.ts";
export { isPattern } from "./media/folder_reader.ts";
export { type FloatFrame, isRgb, type RgbFrame, toFloat, toRgb } from "./media/frames.ts";
export { readMetadata } from "./media/metadata.ts";
export type { NpyArray, NpyData, NpyType } from "./media/npy.ts";
export { NpzFile } from "./media/npz.ts";
export { OutputFile } from "./media/output_file.ts";
export type { PickOptions } from "./media/picks.ts";
export { fitFrame, type ResizeMethod } from "./media/resize.ts";
export {
  type PictureCells,
  type TerminalGraphics,
  terminalPicture,
} from "./media/terminal_picture.ts";
export { SessionVideo, type SessionVideoOptions } from "./media/session_video.ts";
export {
  type FrameWriter,
  openFrameWriter,
  type OutputFormat,
  type VideoCodec,
  type WriterOptions,
  type WrittenFile,
} from "./media/video_writer.ts";
