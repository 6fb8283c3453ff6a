import type { Gpu } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import type { DeclaredModel } from "../model/model.ts";
import { FrameCodec } from "./frame_codec.ts";
import { allocateChecked, checkMemory, RUN } from "./memory_check.ts";
import {
  type GenerateOptions,
  type ResolvedOptions,
  resolveNoise,
  resolveOptions,
} from "./options.ts";
import { type RunSpec, Session } from "./session.ts";

/** One finished frame of one video. */
export interface Frame {
  /** Place in the output, context frames included. */
  readonly index: number;
  /** Whether it was given or generated. */
  readonly kind: "context" | "generated";
  /** Which video of the batch, from 0. */
  readonly video: number;
  /** Planar RGB [3, height, width] in [0, 1]. */
  readonly pixels: { readonly width: number; readonly height: number; readonly data: Float32Array };
  /** [C, h, w] as the transformer sees them (scaled). */
  readonly latents: Float32Array;
}

/** What a run will compute and need, known before it starts. */
export interface RunPlan {
  /** Videos generated at once. */
  readonly videos: number;
  /** Given frames per video. */
  readonly contextFrames: number;
  /** Generated frames per video. */
  readonly generatedFrames: number;
  /** Of the picture, in pixels. */
  readonly width: number;
  /** Of the picture, in pixels. */
  readonly height: number;
  /** Denoising steps per frame. */
  readonly steps: number;
  /** Guidance as given. */
  readonly guidance: number;
  /** Total calls of the transformer (a guided batch counts once). */
  readonly modelCalls: number;
  /** Kernel calls of one denoising step with everything else cached. */
  readonly dispatchesPerStep: number;
  /** GPU memory in bytes. */
  readonly bytes: { readonly weights: number; readonly run: number; readonly total: number };
  /** Shape of the noise: [videos, generated frames, C, h, w]. */
  readonly noiseShape: readonly [number, number, number, number, number];
}

/** Everything that belongs to one run: its buffers are declared, and allocated when it starts. */
export interface DeclaredRun {
  readonly options: ResolvedOptions;
  readonly memory: Memory;
  readonly session: Session;
  readonly codec: FrameCodec;
}

/**
 * A run that fits the model and the device. Its options are resolved, its buffers and programs
 * declared and its noise drawn at most once.
 */
export class PreparedRun {
  /** What it will compute and need. */
  readonly plan: RunPlan;
  readonly #gpu: Gpu;
  readonly #options: GenerateOptions;
  readonly #run: DeclaredRun;
  #noise: Float32Array | undefined;
  #isBegun = false;

  /** @internal Use `Pipeline.prepare`. */
  constructor(gpu: Gpu, model: DeclaredModel, options: GenerateOptions) {
    this.#gpu = gpu;
    this.#options = options;
    this.#run = declareRun(model, gpu.adapter, resolveOptions(options, model.info));
    checkMemory(gpu, [model.memory, this.#run.memory], RUN);
    this.plan = planOf(model, this.#run);
  }

  /** The noise it starts from, [videos, generated frames, C, h, w]; drawn when first needed. */
  get noise(): Float32Array {
    return this.#noise ??= resolveNoise(this.#options, this.#run.options);
  }

  /**
   * Generates frame by frame: context frames first (as the autoencoder reproduces them), then each
   * new frame when it is finished, video by video. While the caller uses a frame, the GPU works on
   * the next one. Leaving the loop frees the run's memory and ends the run.
   * @throws {TypeError} its frames were already generated
   * @throws {GpuError} the device has less memory than it reported; `non-finite`: NaN or infinity
   */
  async *frames(): AsyncGenerator<Frame, void, void> {
    if (this.#isBegun) throw new TypeError("Cannot run twice: prepare the run again");
    this.#isBegun = true;
    const { memory, session } = this.#run;
    try {
      await allocateChecked(this.#gpu, memory, RUN);
      session.start(this.#gpu);
      this.#fillLatents();
      yield* this.#makeFrames();
    } finally {
      memory.free(this.#gpu);
    }
  }

  /** Fills the latents: context frames from the autoencoder, all others with noise. */
  #fillLatents(): void {
    const { options: o, session, codec } = this.#run;
    const { videos, contextFrames, generated, resumed, latent: { volume } } = o;
    if (this.#options.resume) {
      for (let video = 0; video < videos; video++) {
        for (let frame = 0; frame < resumed; frame++) {
          const at = (video * resumed + frame) * volume;
          session.writeLatents(
            this.#gpu,
            video,
            frame,
            this.#options.resume.slice(at, at + volume),
          );
        }
      }
    } else {
      for (let frame = 0; frame < contextFrames; frame++) {
        codec.encode(this.#gpu, frame, contextFrame(this.#options.context!, o, frame));
      }
    }
    const noise = this.noise;
    for (let video = 0; video < videos; video++) {
      for (let i = Math.max(0, resumed - contextFrames); i < generated; i++) {
        const at = (video * generated + i) * volume;
        session.writeLatents(this.#gpu, video, contextFrames + i, noise.slice(at, at + volume));
      }
    }
  }

  /**
   * `codec.read` blocks until the GPU is idle and then takes 10 ms more. The next frame's work is
   * queued in between, so that the GPU does not idle during these 10 ms and the caller's work.
   */
  async *#makeFrames(): AsyncGenerator<Frame, void, void> {
    const { options: o, session, codec } = this.#run;
    const ready = Math.max(o.contextFrames, o.resumed);
    let pending: Promise<Frame[]> | undefined;
    for (let frame = 0; frame < o.contextFrames + o.generated; frame++) {
      if (frame >= ready) session.denoise(this.#gpu, frame, o.calls, o.classOf, o.guidance);
      codec.decode(this.#gpu, frame);
      const finished = pending;
      if (finished) yield* await finished;
      pending = readFrames(this.#gpu, codec, frame, o);
      pending.catch(() => {}); // awaited in the next round, or dropped when the caller leaves
    }
    if (pending) yield* await pending;
  }
}

/**
 * Declares everything a run needs: for planning, inspecting and running.
 * @param live how an endless world differs: it starts from latents and drops old frames
 */
export function declareRun(
  model: Omit<DeclaredModel, "info" | "fill">,
  device: DeviceProfile,
  o: ResolvedOptions,
  live?: Pick<RunSpec, "contextFrames" | "frames" | "memoryFrames">,
): DeclaredRun {
  const memory = new Memory();
  const session = new Session(model.transformer, model.sizes, memory, device, {
    videos: o.videos,
    height: o.latent.height,
    width: o.latent.width,
    contextFrames: Math.max(o.contextFrames, o.resumed),
    frames: o.contextFrames + o.generated,
    guidance: o.mode,
    classes: o.classes,
    timesteps: o.calls.map((call) => call.timestep),
    cache: o.cache,
    positions: o.positions,
    windowCache: o.windowCache,
    cacheDtype: model.dtype,
    ...live,
  });
  const codec = new FrameCodec(model, memory, device, session.latents, {
    encoder: !live && o.contextFrames > 0 && o.resumed === 0,
  });
  return { options: o, memory, session, codec };
}

function planOf(model: DeclaredModel, { options: o, memory, session }: DeclaredRun): RunPlan {
  const weights = model.memory.bytes;
  const { height, width } = o.latent;
  return {
    videos: o.videos,
    contextFrames: o.contextFrames,
    generatedFrames: o.generated,
    width: o.width,
    height: o.height,
    steps: o.steps,
    guidance: o.guidance,
    modelCalls: o.calls.length * (o.generated - Math.max(0, o.resumed - o.contextFrames)),
    dispatchesPerStep: session.dispatches,
    bytes: { weights, run: memory.bytes, total: weights + memory.bytes },
    noiseShape: [o.videos, o.generated, model.sizes.channels, height, width],
  };
}

/** One context frame of every video, [videos, 3, H, W]; a shared context is repeated. */
function contextFrame(context: Float32Array, o: ResolvedOptions, frame: number): Float32Array {
  const size = 3 * o.width * o.height;
  const own = context.length === o.videos * o.contextFrames * size;
  const out = new Float32Array(o.videos * size);
  for (let video = 0; video < o.videos; video++) {
    const at = ((own ? video * o.contextFrames : 0) + frame) * size;
    out.set(context.subarray(at, at + size), video * size);
  }
  return out;
}

async function readFrames(
  gpu: Gpu,
  codec: FrameCodec,
  index: number,
  o: ResolvedOptions,
): Promise<Frame[]> {
  const { pixels, latents } = await codec.read(gpu, index);
  const { width, height } = o;
  const size = 3 * width * height;
  const { volume } = o.latent;
  return Array.from({ length: o.videos }, (_, video) => ({
    index,
    kind: index < o.contextFrames ? "context" as const : "generated" as const,
    video,
    pixels: { width, height, data: pixels.slice(video * size, (video + 1) * size) },
    latents: latents.slice(video * volume, (video + 1) * volume),
  }));
}
