/**
 * What the command-line tool needs from the library besides `mod.ts`: loading, inspecting files and
 * reports. These names may change at any time. `app_large.ts` has what would slow down every start.
 * @module
 */

// the model
export { type OpenModel, parseConfigs } from "./model/model.ts";
export { openModelAt } from "./released/load_pipeline.ts";
export { type MemoryNeed, memoryNeeded } from "./run/memory_needed.ts";
export { configuredMemory, presetMemory } from "./released/preset_memory.ts";
export { selfTest } from "./run/self_test.ts";

// the device
export type { AdapterSummary } from "./gpu/gpu.ts";

// measuring
export { GpuTimer, type LabelTiming } from "./gpu/timing.ts";
export type { Spread } from "./bench/spread.ts";
export { writeTuning } from "./host/tuning_file.ts";

// files of weights
export { printable, shapeText } from "./files/errors.ts";
export { loraFiles } from "./weights/lora_file.ts";
export { type ModelFolder, type ModelPart, openModelFolder } from "./weights/model_folder.ts";
export { type OpenWeights, openWeights } from "./weights/open_weights.ts";
export { isObject, type JsonObject, parseJson } from "./files/json.ts";
export { readJson } from "./files/read_json.ts";
export { recognise, type Recognised } from "./released/recognise.ts";

// training
export type { TrainPlan } from "./train/plan.ts";

// released models, converting and pulling
export type { ConvertReport } from "./released/convert.ts";
export type { PartReport } from "./released/convert_part.ts";
export { ARCHITECTURE_NAMES, transformerConfig } from "./released/model_files.ts";
export {
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
  HUB_REPOSITORY,
  presetConfig,
} from "./released/presets.ts";
export {
  findModel,
  folderBytes,
  type LocalModel,
  localModels,
  type PresetState,
  presetStates,
} from "./released/local_models.ts";
export { diskUse, modelFiles, removeFiles } from "./released/remove_model.ts";
export { planPull, type PullPresetOptions } from "./released/pull.ts";
export { type HubTarget, parseTarget } from "./hub/names.ts";
export { readIntegers } from "./weights/safetensors.ts";
export type { SafetensorsEntry } from "./weights/safetensors_writer.ts";

export { finalName } from "./files/atomic_file.ts";

// how near one picture is to another, and pages that show it
export { gaussianSsim, multiScaleSsim } from "./metrics/gaussian_ssim.ts";
export { lpips, type LpipsNetwork } from "./metrics/lpips.ts";
export { openLpips } from "./metrics/lpips_files.ts";
export {
  type Overall,
  overall,
  psnrOf,
  type Similarity,
  similarity,
} from "./metrics/similarity.ts";
export { lineChart } from "./report/chart.ts";
export { escapeHtml, htmlPage, htmlTables } from "./report/page.ts";

// pictures and videos
export { checkFloatFrames } from "./media/budget.ts";
export { readClipFacts } from "./media/clip_facts.ts";
export { type CodecReport, reportCodecs } from "./media/codec_report.ts";
export {
  fillPattern,
  isPattern,
  numberedFiles,
  patternExpression,
} from "./media/numbered_names.ts";
export { ClosedPipeError, StuckMediaError } from "./media/errors.ts";
export { isDeviceName } from "./files/device_names.ts";
export { readMetadata } from "./media/metadata.ts";
export { contactSheet, type SheetLabels } from "./media/contact_sheet.ts";
export { ACTIONS_KEY, recordedActions } from "./media/recorded_actions.ts";
export type { VideoFacts } from "./media/frame_stream.ts";
export { createOutput, writeOutput } from "./media/output_file.ts";
export { AtomicFile } from "./files/atomic_file.ts";
export { writeAll, writeAllSync } from "./files/byte_sink.ts";
export { bytesOf, joinBytes } from "./files/bytes.ts";
export { digestFile, type FileDigest, sha256 } from "./files/hash_file.ts";
export { FileLock } from "./files/lock.ts";
export type { ResizeMethod } from "./media/resize.ts";
export { encodePng } from "./media/png_writer.ts";
export {
  type PictureCells,
  type TerminalGraphics,
  terminalPicture,
} from "./media/terminal_picture.ts";

// files
export { FileSource } from "./files/file_source.ts";
export { makeFolder } from "./files/folders.ts";
export { WorkFolder } from "./files/work_folder.ts";
export { readShardIndex } from "./weights/shard_index.ts";
export type { TensorInfo } from "./weights/tensor_file.ts";
