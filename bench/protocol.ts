import { GpuError } from "../gpu/errors.ts";
import { Pipeline } from "../run/pipeline.ts";

/** What the released speed script asks of a model; tests ask for less. */
export interface ProtocolOptions {
  /** Lengths that are generated, from nothing. */
  readonly frames: readonly number[];
  /** Videos at once. */
  readonly videos: number;
  /** Denoising steps a frame. */
  readonly steps: number;
  /** Stops between two runs. */
  readonly signal?: AbortSignal;
}

/** As the released script has it. Source: showlab/FAR at e59536a, scripts/speed_test.py */
export const SPEED_PROTOCOL = {
  frames: [16, 64, 128, 196, 256],
  videos: 4,
  steps: 25,
} as const satisfies ProtocolOptions;

/** Frames of the window of the script's model without long-term context. */
const WHOLE_WINDOW = 256;

/** One run of the protocol. */
export interface ProtocolRun {
  /** `far-b` sees everything at full resolution; `far-b-long` has its short-term window. */
  readonly model: string;
  readonly cache: boolean;
  readonly frames: number;
  /** From the first command to the last picture; absent where it could not be run. */
  readonly seconds?: number;
  /** Bytes of GPU buffers after the run, and the most at a time. */
  readonly bytes?: { readonly allocated: number; readonly peak: number };
  /** Why it could not be run: more memory than the device has. */
  readonly problem?: string;
}

/**
 * Measures a model as the released script does: a window that holds everything and the model's own,
 * each without and with caches.
 * @throws {GpuError} the device was lost, or failed in another way than for lack of memory
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
