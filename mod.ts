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
 * import { loadPipeline, openFrameWriter, readClip, toFloat, toRgb } from "./mod.ts";
 *
 * const [side, contextFrames] = [64, 6];
 * const clip = await readClip("weights/demo/clips/1.npz", { count: contextFrames });
 * const context = new Float32Array(contextFrames * 3 * side * side);
 * for (const [i, frame] of clip.frames.entries()) {
 *   context.set(toFloat(frame).data, i * 3 * side * side);
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

import "./host/deno_host.ts";

// the model
export { loadPipeline } from "./released/load_pipeline.ts";
export type { Pipeline, PipelineOptions } from "./run/pipeline.ts";
export type { Frame, PreparedRun, RunPlan } from "./run/prepared_run.ts";
export type { Condition } from "./model/config.ts";
export type { GenerateOptions } from "./run/options.ts";
export type { ModelInfo } from "./model/model.ts";
export { type LiveOptions, LiveWorld } from "./run/live.ts";
export { type Solver, SOLVERS } from "./model/scheduler.ts";

// training
export { train } from "./train/train.ts";

// the device
export { type AdapterReport, listAdapters } from "./gpu/adapters.ts";
export { Gpu, type GpuOptions } from "./gpu/gpu.ts";
export { GpuError } from "./gpu/errors.ts";

// files of weights
export { CheckpointError } from "./files/errors.ts";

// released models, converting and pulling
export { convertModel, type ConvertOptions } from "./released/convert.ts";
export { type Preset, PRESETS } from "./released/presets.ts";
export { pull, type PullOptions, pullPreset } from "./released/pull.ts";
export { type HubSettings, hubSettings } from "./hub/settings.ts";
export {
  readFloats,
  type SafetensorsEntry,
  SafetensorsFile,
  writeSafetensors,
} from "./weights/safetensors.ts";

// pictures and videos
export { type Clip, type ClipOptions, readClip } from "./media/clip.ts";
export { MediaError } from "./media/errors.ts";
export { type FloatFrame, isRgb, type RgbFrame, toFloat, toRgb } from "./media/frames.ts";
export { NpzFile } from "./media/npz.ts";
export { fitFrame } from "./media/resize.ts";
export {
  type FrameWriter,
  openFrameWriter,
  type OutputFormat,
  type VideoCodec,
  type WriterOptions,
  type WrittenFile,
} from "./media/video_writer.ts";
