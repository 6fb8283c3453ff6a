import type { Pipeline, RunPlan, WrittenFile } from "../mod.ts";
import { megabytes } from "../cli/amounts.ts";
import { listNames } from "./outputs.ts";
import { duration } from "../cli/progress.ts";
import type { Request } from "./request.ts";
import type { Settings } from "../cli/settings.ts";

/** Seconds of each stage of a run. */
export class Stopwatch {
  readonly laps: Record<string, number> = {};
  /** Seconds of parts of stages: context frames, generated frames, writing. */
  readonly parts: Partial<Record<string, number>> = {};
  #start = performance.now();
  #last = this.#start;

  /** Ends a stage. */
  lap(stage: string): void {
    const now = performance.now();
    this.laps[stage] = (now - this.#last) / 1000;
    this.#last = now;
  }

  /** Adds to a part of a stage, which happens many times. */
  add(part: string, milliseconds: number): void {
    this.parts[part] = (this.parts[part] ?? 0) + milliseconds / 1000;
  }

  /** Seconds from the start to the last lap. */
  get total(): number {
    return (this.#last - this.#start) / 1000;
  }
}

/** A finished run. */
export interface Result {
  readonly plan: RunPlan;
  readonly written: readonly WrittenFile[];
  readonly pipeline: Pipeline;
  readonly request: Request;
  readonly watch: Stopwatch;
  readonly settings: Settings;
}

/** `1 frame`, `2 frames`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Two lines: what was written, and what it took. */
export function describeResult(result: Result): string {
  const { plan, written, pipeline: { gpu }, request, watch: { parts } } = result;
  const what = written.length > 0 ? `Wrote ${listNames(written.map(({ path }) => path))}` : "Made";
  const { videos, width, height, steps } = plan;
  const frames = plan.generatedFrames + givenFrames(result);
  const length = Math.round(frames / request.fps * 100) / 100;
  const taken = [
    ...plan.contextFrames > 0 ? [`context ${time(parts.context)}`] : [],
    `${count(plan.generatedFrames, "frame")} in ${time(parts.frames)} (${
      frameRate(result).toFixed(2)
    } frames/s)`,
    ...written.length > 0 ? [`writing ${time(parts.write)}`] : [],
    `${megabytes(gpu.peakBytes)} of GPU memory`,
    gpu.adapter.name,
  ];
  const noise = request.options.noise === undefined ? `seed ${request.seed}` : "given noise";
  return `${what}: ${videos > 1 ? `${videos} videos of ` : ""}${count(frames, "frame")}` +
    `${given(givenFrames(result))}, ${width}x${height}, ${length} s at ${request.fps} fps, ` +
    `${count(steps, "step")}, ${noise}\n  ${taken.join(", ")}`;
}

/** Context frames that are in the outputs. */
function givenFrames({ plan, request }: Pick<Result, "plan" | "request">): number {
  return request.options.onlyGenerated ? 0 : plan.contextFrames;
}

function given(frames: number): string {
  return frames > 0 ? ` (the first ${frames} given)` : "";
}

/** Generated frames per second of generating them: without loading, context and writing. */
function frameRate({ plan, watch: { parts } }: Pick<Result, "plan" | "watch">): number {
  return plan.videos * plan.generatedFrames / Math.max(parts.frames ?? 0, 1e-6);
}

function time(seconds = 0): string {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

/** `2 videos of 48 frames after 12 of context, 64x64` */
function framesText({ videos, contextFrames, generatedFrames, width, height }: RunPlan): string {
  const each = videos > 1 ? `${videos} videos of ` : "";
  const context = contextFrames > 0 ? ` after ${contextFrames} of context` : "";
  return `${each}${count(generatedFrames, "frame")}${context}, ${width}x${height}`;
}

/** Output of a dry run. */
export function describePlan(plan: RunPlan, pipeline: Pipeline, paths: readonly string[]): string {
  const { info, gpu, dtype } = pipeline;
  const lines = [
    `model     ${info.name}, ${(info.parameters / 1e6).toFixed(1)} million weights, ${dtype}`,
    `adapter   ${gpu.adapter.name}`,
    `video     ${framesText(plan)}`,
    `steps     ${plan.steps} per frame, guidance ${plan.guidance}: ${plan.modelCalls} model calls`,
    `memory    ${megabytes(plan.bytes.total)} on the GPU: ${megabytes(plan.bytes.weights)} ` +
    `weights, ${megabytes(plan.bytes.run)} caches and buffers`,
  ];
  if (paths.length > 0) lines.push(`output    ${listNames(paths)}`);
  return lines.join("\n");
}

/** The object of --json. */
export function resultJson(result: Result) {
  const { plan, written, pipeline, request, watch, settings } = result;
  const { context, frames, write } = watch.parts;
  const { load, generate, finish } = watch.laps;
  // `context` has always been reading it
  const stages = { context: watch.laps.context, load, generate, finish, total: watch.total };
  const parts = { contextFrames: context, frames, write };
  const seconds = Object.entries({ ...stages, ...parts })
    .map(([stage, value = 0]) => [stage, Math.round(value * 1000) / 1000]);
  return {
    outputs: written,
    videos: plan.videos,
    width: plan.width,
    height: plan.height,
    frames: { context: plan.contextFrames, generated: plan.generatedFrames },
    fps: request.fps,
    seed: jsonSeed(request.seed),
    seconds: Object.fromEntries(seconds),
    framesPerSecond: Math.round(frameRate(result) * 1000) / 1000,
    adapter: pipeline.gpu.adapter.name,
    memory: { ...plan.bytes, peak: pipeline.gpu.peakBytes },
    settings,
  };
}

/** A number if JSON readers keep it exact, otherwise text. */
function jsonSeed(seed: bigint): number | string {
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : String(seed);
}
