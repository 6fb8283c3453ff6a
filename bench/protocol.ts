import { GpuError } from "../gpu/errors.ts";
import { Pipeline } from "../run/pipeline.ts";

/** Settings of the released speed script; tests use smaller ones. */
export interface ProtocolOptions {
  /** Lengths to generate from scratch. */
  readonly frames: readonly number[];
  /** Videos at once. */
  readonly videos: number;
  /** Denoising steps per frame. */
  readonly steps: number;
  /** Stops between two runs. */
  readonly signal?: AbortSignal;
}

/** Settings of the released script. Source: showlab/FAR at e59536a, scripts/speed_test.py */
export const SPEED_PROTOCOL = {
  frames: [16, 64, 128, 196, 256],
  videos: 4,
  steps: 25,
} as const satisfies ProtocolOptions;

/** Frames of the window of the script's model without long-term context. */
const WHOLE_WINDOW = 256;

/** One run of the protocol. */
export interface ProtocolRun {
  /** `far-b` attends to everything at full resolution; `far-b-long` has its short-term window. */
  readonly model: string;
  readonly cache: boolean;
  readonly frames: number;
  /** From the first command to the last picture; absent if it could not run. */
  readonly seconds?: number;
  /** Bytes of GPU buffers after the run, and the peak. */
  readonly bytes?: { readonly allocated: number; readonly peak: number };
  /** Why it could not run: too little memory. */
  readonly problem?: string;
}

/**
 * Measures a model like the released script: with a window that contains everything and with the
 * model's own, each without and with caches.
 * @throws {GpuError} the device was lost, or failed for another reason than lack of memory
 */
export async function* measureProtocol(
  pipeline: Pipeline,
  options: ProtocolOptions,
): AsyncGenerator<ProtocolRun, void, void> {
  const { gpu, model } = pipeline;
  const { sizes } = model;
  const whole = { window: WHOLE_WINDOW, trainedWindow: WHOLE_WINDOW };
  const variants = sizes.contextPatch === undefined
    ? [{ name: "far-b", sizes }]
    : [{ name: "far-b", sizes: { ...sizes, ...whole } }, { name: "far-b-long", sizes }];
  for (const { name, sizes } of variants) {
    const variant = new Pipeline(gpu, { ...model, sizes }, false); // the weights are the same
    for (const cache of [false, true]) {
      for (const frames of options.frames) {
        options.signal?.throwIfAborted();
        yield { model: name, cache, frames, ...await measureRun(variant, frames, cache, options) };
      }
    }
  }
}

async function measureRun(
  pipeline: Pipeline,
  frames: number,
  cache: boolean,
  { videos, steps }: ProtocolOptions,
): Promise<Pick<ProtocolRun, "seconds" | "bytes" | "problem">> {
  const { gpu, info: { condition: { kind, count } } } = pipeline;
  gpu.peakBytes = gpu.allocatedBytes;
  const start = performance.now();
  try {
    const run = pipeline.prepare({
      frames,
      count: videos,
      steps,
      cache,
      actions: kind === "action" ? Array.from({ length: frames }, (_, i) => i % count) : undefined,
      labels: kind === "label" ? [0] : undefined,
    });
    for await (const _ of run.frames());
  } catch (error) {
    const tooLarge = error instanceof GpuError &&
      (error.reason === "limit" || error.reason === "out-of-memory");
    if (!tooLarge) throw error;
    return { problem: error.message };
  }
  const seconds = (performance.now() - start) / 1000;
  return { seconds, bytes: { allocated: gpu.allocatedBytes, peak: gpu.peakBytes } };
}
