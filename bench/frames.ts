import type { Gpu } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import type { GpuTimer, LabelTiming } from "../gpu/timing.ts";
import { totalWork, type Work } from "../kernels/work.ts";
import type { DeclaredModel } from "../model/model.ts";
import type { Pipeline } from "../run/pipeline.ts";
import { declareCodec } from "./kernels.ts";
import { measure, type Measured, type MeasureOptions } from "./measure.ts";

/** The autoencoder's two halves, one frame each. */
export interface CodecResult {
  /** Which half. */
  readonly half: "encode" | "decode";
  /** Seconds per frame. */
  readonly seconds: Measured;
  /** Work and dispatches per frame. */
  readonly work: Work & { readonly dispatches: number };
  /** Time per label, if the GPU has a clock. */
  readonly profile: readonly LabelTiming[] | undefined;
}

/** @internal Measures encoding and decoding of one frame. @param side latent height and width */
export async function measureCodec(
  gpu: Gpu,
  timer: GpuTimer,
  model: DeclaredModel,
  side: number,
  options: MeasureOptions & { readonly profile?: boolean },
): Promise<CodecResult[]> {
  const memory = new Memory();
  const codec = declareCodec(gpu, model, memory, side);
  const results: CodecResult[] = [];
  try {
    memory.allocate(gpu);
    await gpu.idle();
    const halves = { encode: codec.encoder!, decode: codec.decoder } as const;
    for (const half of ["encode", "decode"] as const) {
      const program = halves[half];
      const run = (times: number) => timer.run(program, 0, Infinity, times);
      const seconds = await measure(timer, run, options);
      const profile = options.profile ? await timer.profile(program) : undefined;
      const work = { ...totalWork(program.recorded), dispatches: program.dispatches };
      results.push({ half, seconds, work, profile });
    }
    return results;
  } finally {
    memory.free(gpu);
  }
}

/** A short generation from scratch. */
export interface GenerationResult {
  /** Frames generated. */
  readonly frames: number;
  /** Denoising steps per frame. */
  readonly steps: number;
  /** Total calls of the transformer. */
  readonly modelCalls: number;
  /**
   * Seconds until the first frame's pixels arrive: buffers, tables, pipelines, all steps, decoding.
   */
  readonly firstFrame: number;
  /** Seconds of each later frame, on average. */
  readonly laterFrames: number | undefined;
  /** Peak GPU memory in bytes, and the prediction. */
  readonly memory: { readonly peak: number; readonly predicted: number };
}

/** Generates a few frames like `far generate`, and compares the memory with the prediction. */
export async function measureGeneration(
  pipeline: Pipeline,
  frames: number,
  steps: number,
): Promise<GenerationResult> {
  const { gpu, info } = pipeline;
  const { kind } = info.condition;
  const options = {
    frames,
    steps,
    actions: kind === "action" ? Array<number>(frames).fill(0) : undefined,
    labels: kind === "label" ? [0] : undefined,
  };
  const run = pipeline.prepare(options);
  gpu.peakBytes = gpu.allocatedBytes;
  const start = performance.now();
  const times: number[] = [];
  for await (const _ of run.frames()) times.push((performance.now() - start) / 1000);
  return {
    frames,
    steps,
    modelCalls: run.plan.modelCalls,
    firstFrame: times[0]!,
    laterFrames: frames > 1 ? (times.at(-1)! - times[0]!) / (frames - 1) : undefined,
    memory: { peak: gpu.peakBytes, predicted: run.plan.bytes.total },
  };
}
