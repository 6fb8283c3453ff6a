import { Gpu, type GpuOptions } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import type { DeviceProfile } from "../gpu/program.ts";
import { checkFinite, FrameCodec } from "./frame_codec.ts";
import {
  allocateChecked,
  checkMemory,
  explainMemory,
  PICTURES,
  RUN,
  WEIGHTS,
} from "./memory_check.ts";
import {
  type DeclaredModel,
  declareModel,
  type ModelInfo,
  type ModelParts,
} from "../model/model.ts";
import {
  type GenerateOptions,
  type ResolvedOptions,
  resolveNoise,
  resolveOptions,
} from "./options.ts";
import { Session } from "./session.ts";

/** One finished frame of one video. */
export interface Frame {
  /** Place in the output, context frames included. */
  readonly index: number;
  /** Whether it was given or made. */
  readonly kind: "context" | "generated";
  /** Which video of the batch, from 0. */
  readonly video: number;
  /** Planar RGB [3, height, width] in [0, 1]. */
  readonly pixels: { readonly width: number; readonly height: number; readonly data: Float32Array };
  /** [C, h, w] as the transformer sees them (scaled). */
  readonly latents: Float32Array;
}

/** What a run will do and take, known before it starts. */
export interface RunPlan {
  /** Videos made at once. */
  readonly videos: number;
  /** Frames of each video that are given. */
  readonly contextFrames: number;
  /** Frames of each video that are made. */
  readonly generatedFrames: number;
  /** Of the picture, in pixels. */
  readonly width: number;
  /** Of the picture, in pixels. */
  readonly height: number;
  /** Denoising steps a frame. */
  readonly steps: number;
  /** As it was asked for. */
  readonly guidance: number;
  /** Calls of the transformer in all (a guided batch counts once). */
  readonly modelCalls: number;
  /** Kernel calls of one denoising step with everything else cached. */
  readonly dispatchesPerStep: number;
  /** GPU memory in bytes. */
  readonly bytes: { readonly weights: number; readonly run: number; readonly total: number };
  /** Shape of the noise: [videos, generated frames, C, h, w]. */
  readonly noiseShape: readonly [number, number, number, number, number];
}

/** How a model is loaded, and on what. */
export interface PipelineOptions extends GpuOptions {
  /** Arithmetic of weights and caches; auto is f16 on real GPUs that have it. */
  readonly dtype?: "auto" | "f32" | "f16";
  /** Overrides slope_scale (FlexRoPE). */
  readonly slope?: number;
  /** `autoencoder`: to encode and decode only, without the transformer's memory (all). */
  readonly parts?: ModelParts;
  /** Leaves the weights unread: the pipeline can `plan` runs and no more. */
  readonly planOnly?: boolean;
  /** A device to use; it is not closed with the pipeline. */
  readonly gpu?: Gpu;
  /** Bytes of weights read so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Loads a model folder onto the GPU.
 * @throws {CheckpointError} weights that are missing or malformed
 * @throws {TypeError} a configuration that is not supported
 * @throws {GpuError} no adapter, or not enough memory
 */
export async function loadPipeline(path: string, options: PipelineOptions = {}): Promise<Pipeline> {
  const gpu = options.gpu ?? await Gpu.open(options);
  try {
    const dtype = resolveDtype(options.dtype ?? "auto", gpu);
    const { slope, parts, planOnly, onProgress } = options;
    const model = await declareModel(path, { dtype, slope, parts, device: gpu.adapter });
    try {
      checkMemory(gpu, [model.memory], WEIGHTS);
      if (!planOnly) await model.fill(gpu, { onProgress });
    } catch (error) {
      model.memory.free(gpu);
      throw explainMemory(error, WEIGHTS, model.memory.bytes, gpu.allocatedBytes);
    } finally {
      model.close();
    }
    return new Pipeline(gpu, model, options.gpu === undefined);
  } catch (error) {
    if (!options.gpu) await gpu.close();
    throw error;
  }
}

function resolveDtype(dtype: "auto" | "f32" | "f16", { adapter }: Gpu): "f32" | "f16" {
  if (dtype !== "auto") return dtype;
  return adapter.f16 && !adapter.cpu ? "f16" : "f32";
}

/** Everything of one run: its buffers are declared, and made when it starts. */
interface Run {
  readonly options: ResolvedOptions;
  readonly memory: Memory;
  readonly session: Session;
  readonly codec: FrameCodec;
}

/** A model on the GPU, ready to generate. Source: released class `FARPipeline`. */
export class Pipeline {
  /** The device the model is on. */
  readonly gpu: Gpu;
  /** @internal Sizes and weights. */
  readonly model: DeclaredModel;
  readonly #ownsGpu: boolean;

  /** @internal Takes a model whose weights are filled; `loadPipeline` does all of it. */
  constructor(gpu: Gpu, model: DeclaredModel, ownsGpu: boolean) {
    this.gpu = gpu;
    this.model = model;
    this.#ownsGpu = ownsGpu;
  }

  /** What the model is: name, condition, names of actions, window. */
  get info(): ModelInfo {
    return this.model.info;
  }

  /** Arithmetic of weights and caches, as chosen. */
  get dtype(): "f32" | "f16" {
    return this.model.dtype;
  }

  /**
   * Checks options and memory without running anything.
   * @throws {RangeError | TypeError} options that don't fit the model
   * @throws {GpuError} `limit` or `out-of-memory`: more than the device has
   */
  plan(options: GenerateOptions): RunPlan {
    const run = this.#declare(options);
    checkMemory(this.gpu, [this.model.memory, run.memory], RUN);
    return planOf(this.model, run);
  }

  /** The noise a run starts from, [videos, generated frames, C, h, w]. */
  noise(options: GenerateOptions): Float32Array {
    return resolveNoise(options, this.#resolve(options));
  }

  #resolve(options: GenerateOptions): ResolvedOptions {
    return resolveOptions(options, this.info);
  }

  #declare(options: GenerateOptions): Run {
    if (this.model.parts === "autoencoder") {
      throw new TypeError("Cannot generate: only the autoencoder of this model is loaded");
    }
    return declareRun(this.model, this.gpu.adapter, this.#resolve(options));
  }

  /**
   * Generates frame by frame: context frames first (as the autoencoder reproduces them), then each
   * new frame as it is finished, video by video. While a frame is with the caller the GPU works on
   * the next one. Leaving the loop frees the run's memory.
   * @throws {RangeError | TypeError | GpuError} see `plan`; `non-finite` for NaN or infinity
   */
  async *generate(options: GenerateOptions): AsyncGenerator<Frame, void, void> {
    const run = this.#declare(options);
    checkMemory(this.gpu, [this.model.memory, run.memory], RUN);
    try {
      await allocateChecked(this.gpu, run.memory, RUN);
      run.session.start(this.gpu);
      this.#fillLatents(options, run);
      yield* this.#frames(run);
    } finally {
      run.memory.free(this.gpu);
    }
  }

  /** Context frames through the autoencoder, everything else noise. */
  #fillLatents(options: GenerateOptions, { options: o, session, codec }: Run): void {
    const { videos, contextFrames, generated, resumed, latent: { volume } } = o;
    if (options.resume) {
      for (let video = 0; video < videos; video++) {
        for (let frame = 0; frame < resumed; frame++) {
          const at = (video * resumed + frame) * volume;
          session.writeLatents(this.gpu, video, frame, options.resume.slice(at, at + volume));
        }
      }
    } else {
      for (let frame = 0; frame < contextFrames; frame++) {
        codec.encode(this.gpu, frame, contextFrame(options.context!, o, frame));
      }
    }
    const noise = resolveNoise(options, o);
    for (let video = 0; video < videos; video++) {
      for (let i = Math.max(0, resumed - contextFrames); i < generated; i++) {
        const at = (video * generated + i) * volume;
        session.writeLatents(this.gpu, video, contextFrames + i, noise.slice(at, at + volume));
      }
    }
  }

  /**
   * `codec.read` blocks until the GPU is idle and then takes 10 ms more. The next frame's work is
   * queued in between, so that those 10 ms and the caller's own work cost the GPU nothing.
   */
  async *#frames(run: Run): AsyncGenerator<Frame, void, void> {
    const { options: o, session, codec } = run;
    const ready = Math.max(o.contextFrames, o.resumed);
    let pending: Promise<Frame[]> | undefined;
    for (let frame = 0; frame < o.contextFrames + o.generated; frame++) {
      if (frame >= ready) session.denoise(this.gpu, frame, o.calls, o.classOf, o.guidance);
      codec.decode(this.gpu, frame);
      const finished = pending;
      if (finished) yield* await finished;
      pending = readFrames(this.gpu, codec, frame, o);
      pending.catch(() => {}); // awaited in the next round, or dropped when the caller leaves
    }
    if (pending) yield* await pending;
  }

  /**
   * Pictures to latents, unscaled, as the autoencoder makes them.
   * @param pictures [n, 3, height, width] in [0, 1]
   * @returns [n, C, h, w]
   * @throws {RangeError} a size that is not a multiple of the compression
   */
  async encode(pictures: Float32Array, width: number, height: number): Promise<Float32Array> {
    const { compression } = this.info;
    const count = pictures.length / (3 * width * height);
    const { codec, memory, latents } = this.#codec(
      count,
      width / compression,
      height / compression,
    );
    try {
      await allocateChecked(this.gpu, memory, PICTURES);
      const size = 3 * width * height;
      for (let i = 0; i < count; i++) {
        codec.encode(this.gpu, i, pictures.slice(i * size, (i + 1) * size));
      }
      const values = await this.gpu.readFloats(latents);
      checkFinite(values, "What was encoded");
      return values;
    } finally {
      memory.free(this.gpu);
    }
  }

  /**
   * Latents, unscaled, to pictures.
   * @param latents [n, C, h, w]; `width` and `height` are theirs
   * @returns pictures one by one, planar [3, height, width] in [0, 1]
   */
  async *decode(
    latents: Float32Array,
    width: number,
    height: number,
  ): AsyncGenerator<Frame["pixels"]> {
    const count = latents.length / (this.model.sizes.channels * width * height);
    const { codec, memory, latents: buffer } = this.#codec(count, width, height);
    try {
      await allocateChecked(this.gpu, memory, PICTURES);
      this.gpu.write(buffer.buffer, 0, latents);
      for (let i = 0; i < count; i++) {
        codec.decode(this.gpu, i);
        const { pixels } = await codec.read(this.gpu, i);
        yield { width: codec.width, height: codec.height, data: pixels };
      }
    } finally {
      memory.free(this.gpu);
    }
  }

  #codec(count: number, width: number, height: number) {
    if (
      !Number.isInteger(count) || count < 1 || !Number.isInteger(width) || !Number.isInteger(height)
    ) {
      const { compression } = this.info;
      throw new RangeError(
        `Picture sides must be multiples of ${compression} pixels for this model`,
      );
    }
    const memory = new Memory();
    const shape = [1, count, this.model.sizes.channels, height, width];
    const latents = memory.tensor("latents", shape);
    const device = this.gpu.adapter;
    const codec = new FrameCodec(this.model, memory, device, latents, { scalingFactor: 1 });
    checkMemory(this.gpu, [this.model.memory, memory], PICTURES);
    return { codec, memory, latents };
  }

  /** Frees the weights, and the device if the pipeline opened it. */
  async close(): Promise<void> {
    this.model.memory.free(this.gpu);
    if (this.#ownsGpu) await this.gpu.close();
  }
}

/** Declares all that a run needs: for planning, for `inspect`, and to run. */
export function declareRun(
  model: Omit<DeclaredModel, "info" | "fill" | "close">,
  device: DeviceProfile,
  o: ResolvedOptions,
): Run {
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
    cacheDtype: model.dtype,
  });
  const codec = new FrameCodec(model, memory, device, session.latents, {
    encoder: o.contextFrames > 0 && o.resumed === 0,
  });
  return { options: o, memory, session, codec };
}

function planOf(model: DeclaredModel, { options: o, memory, session }: Run): RunPlan {
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
