import type { Pipeline, RunPlan, WrittenFile } from "../mod.ts";
import { megabytes } from "../cli/amounts.ts";
import { listNames } from "./outputs.ts";
import { duration } from "../cli/progress.ts";
import type { Request } from "./request.ts";
import type { Settings } from "../cli/settings.ts";

/** Seconds of each stage of a run. */
export class Stopwatch {
  readonly laps: Record<string, number> = {};
  #start = performance.now();
  #last = this.#start;

  /** Ends a stage. */
  lap(stage: string): void {
    const now = performance.now();
    this.laps[stage] = (now - this.#last) / 1000;
    this.#last = now;
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

/** One line on what was made and how fast. */
export function describeResult({ plan, written, pipeline, request, watch }: Result): string {
  const seconds = watch.laps.generate ?? 0;
  const rate = plan.videos * plan.generatedFrames / seconds;
  const what = written.length > 0 ? `Wrote ${listNames(written.map(({ path }) => path))}` : "Made";
  const took = seconds < 60 ? `${seconds.toFixed(1)} s` : duration(seconds);
  return `${what}: ${framesText(plan)}, ${clipSeconds(plan, request)} s at ${request.fps} fps; ` +
    `made in ${took}, ${rate.toFixed(2)} frames/s at ${count(plan.steps, "step")}, on ` +
    pipeline.gpu.adapter.name;
}

/** `2 videos of 48 frames (and 12 of context) of 64x64` */
function framesText({ videos, contextFrames, generatedFrames, width, height }: RunPlan): string {
  const each = videos > 1 ? `${videos} videos of ` : "";
  const context = contextFrames > 0 ? ` after ${contextFrames} of context` : "";
  return `${each}${count(generatedFrames, "frame")}${context}, ${width}x${height}`;
}

function clipSeconds(plan: RunPlan, { fps, options }: Request): string {
  const frames = plan.generatedFrames + (options.onlyGenerated ? 0 : plan.contextFrames);
  return String(Math.round(frames / fps * 100) / 100);
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
export function resultJson({ plan, written, pipeline, request, watch, settings }: Result) {
  const seconds = Object.entries({ ...watch.laps, total: watch.total })
    .map(([stage, value]) => [stage, Math.round(value * 1000) / 1000]);
  const generated = plan.videos * plan.generatedFrames;
  return {
    outputs: written,
    videos: plan.videos,
    width: plan.width,
    height: plan.height,
    frames: { context: plan.contextFrames, generated: plan.generatedFrames },
    fps: request.fps,
    seed: jsonSeed(request.seed),
    seconds: Object.fromEntries(seconds),
    framesPerSecond: Math.round(generated / (watch.laps.generate ?? 1) * 1000) / 1000,
    adapter: pipeline.gpu.adapter.name,
    memory: plan.bytes,
    settings,
  };
}

/** A number if JSON readers keep it exact, otherwise text. */
function jsonSeed(seed: bigint): number | string {
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : String(seed);
}
