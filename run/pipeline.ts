import { Gpu, type GpuOptions } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import { checkFinite, FrameCodec } from "./frame_codec.ts";
import { allocateChecked, checkMemory, explainMemory, PICTURES, WEIGHTS } from "./memory_check.ts";
import {
  type DeclaredModel,
  declareModel,
  type ModelInfo,
  type ModelParts,
  type OpenModel,
} from "../model/model.ts";
import type { GenerateOptions } from "./options.ts";
import { type Frame, PreparedRun, type RunPlan } from "./prepared_run.ts";

/** How a model is loaded, and onto which device. */
export interface PipelineOptions extends GpuOptions {
  /** Arithmetic of weights and caches; auto is f16 on real GPUs that support it. */
  readonly dtype?: "auto" | "f32" | "f16";
  /** Overrides slope_scale (FlexRoPE). */
  readonly slope?: number;
  /** `autoencoder` can only encode and decode, and saves the transformer's memory (all). */
  readonly parts?: ModelParts;
  /** Does not read the weights: the pipeline can only `plan` runs. */
  readonly planOnly?: boolean;
  /** A device to use; closing the pipeline does not close it. */
  readonly gpu?: Gpu;
  /** Bytes of weights read so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Loads an open model onto the GPU; its files may be closed afterwards.
 * @throws as `loadPipeline`
 */
export async function makePipeline(
  opened: OpenModel,
  options: PipelineOptions = {},
): Promise<Pipeline> {
  const gpu = options.gpu ?? await Gpu.open(options);
  try {
    const dtype = resolveDtype(options.dtype ?? "auto", gpu);
    const { slope, parts, planOnly, onProgress } = options;
    const model = declareModel(opened, { dtype, slope, parts, device: gpu.adapter });
    try {
      checkMemory(gpu, [model.memory], WEIGHTS);
      if (!planOnly) await model.fill(gpu, { onProgress });
    } catch (error) {
      model.memory.free(gpu);
      throw explainMemory(error, WEIGHTS, model.memory.bytes, gpu.allocatedBytes);
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

/** A model on the GPU, ready to generate. Source: released class `FARPipeline`. */
export class Pipeline {
  /** The device the model is on. */
  readonly gpu: Gpu;
  /** @internal Sizes and weights. */
  readonly model: DeclaredModel;
  readonly #ownsGpu: boolean;

  /** @internal Takes a filled model; use `loadPipeline`. */
  constructor(gpu: Gpu, model: DeclaredModel, ownsGpu: boolean) {
    this.gpu = gpu;
    this.model = model;
    this.#ownsGpu = ownsGpu;
  }

  /** Facts about the model: name, condition, names of actions, window. */
  get info(): ModelInfo {
    return this.model.info;
  }

  /** Arithmetic of weights and caches in use. */
  get dtype(): "f32" | "f16" {
    return this.model.dtype;
  }

  /**
   * Checks options and memory and declares the run, without using the GPU.
   * @throws {RangeError | TypeError} options that do not fit the model
   * @throws {GpuError} `limit` or `out-of-memory`: more than the device has
   */
  prepare(options: GenerateOptions): PreparedRun {
    if (this.model.parts === "autoencoder") {
      throw new TypeError("Cannot generate: only the autoencoder of this model is loaded");
    }
    return new PreparedRun(this.gpu, this.model, options);
  }

  /** What a run will compute and need. @throws as `prepare` */
  plan(options: GenerateOptions): RunPlan {
    return this.prepare(options).plan;
  }

  /** The frames of a run. @throws as `prepare` and `PreparedRun.frames` */
  async *generate(options: GenerateOptions): AsyncGenerator<Frame, void, void> {
    yield* this.prepare(options).frames();
  }

  /**
   * Pictures to unscaled latents.
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
   * Unscaled latents to pictures.
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
        `Width and height must be multiples of ${compression} pixels for this model`,
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

  /** The same, where a scope ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
