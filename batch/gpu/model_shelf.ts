import { type Gpu, GpuError, loadPipeline, type Pipeline } from "../../mod.ts";
import type { LoraChoice } from "../../request/lora.ts";

/** The model that a job needs. */
export interface ModelWish {
  /** Folder of the model. */
  readonly folder: string;
  readonly dtype?: "auto" | "f32" | "f16";
  readonly slope?: number;
  readonly lora?: LoraChoice;
}

/** Loads a pipeline onto a device; replaced in tests. */
export type Load = (
  folder: string,
  options: NonNullable<Parameters<typeof loadPipeline>[1]>,
) => Promise<Pipeline>;

/** Most models kept on the GPU; more would leave too little memory for batches. */
const MOST_LOADED = 2;

/** One device and the models on it, the most recently used first. */
export class ModelShelf {
  #gpu: Gpu | undefined;
  #loaded: { readonly key: string; readonly pipeline: Pipeline }[] = [];

  constructor(
    private readonly open: () => Promise<Gpu>,
    private readonly load: Load = loadPipeline,
  ) {}

  /** The device, opened when needed. @throws {GpuError} */
  async gpu(): Promise<Gpu> {
    return this.#gpu ??= await this.open();
  }

  /**
   * The pipeline of a model; loaded if needed, replacing others if memory is short.
   * @throws {GpuError | CheckpointError | TypeError} as `loadPipeline`
   */
  async pipeline(wish: ModelWish, onProgress: () => void): Promise<Pipeline> {
    const key = JSON.stringify([wish.folder, wish.dtype ?? "auto", wish.slope, wish.lora]);
    const found = this.#loaded.find((entry) => entry.key === key);
    if (found) {
      this.#loaded = [found, ...this.#loaded.filter((entry) => entry !== found)];
      return found.pipeline;
    }
    while (this.#loaded.length >= MOST_LOADED) await this.#loaded.pop()!.pipeline.close();
    const pipeline = await this.#place(wish, onProgress);
    this.#loaded.unshift({ key, pipeline });
    return pipeline;
  }

  async #place({ folder, ...how }: ModelWish, onProgress: () => void): Promise<Pipeline> {
    const load = async () => await this.load(folder, { ...how, gpu: await this.gpu(), onProgress });
    try {
      return await load();
    } catch (error) {
      const crowded = error instanceof GpuError && this.#loaded.length > 0 &&
        (error.reason === "out-of-memory" || error.reason === "limit");
      if (!crowded) throw error;
      await this.clear();
      return await load();
    }
  }

  /** Whether the device has reported an error, so that it cannot be used any more. */
  get spoilt(): boolean {
    try {
      this.#gpu?.check();
      return false;
    } catch {
      return true;
    }
  }

  /** Closes everything; the next use opens a new device. */
  async clear(): Promise<void> {
    const gpu = this.#gpu;
    this.#gpu = undefined;
    this.#loaded = [];
    await gpu?.close().catch(() => {}); // closing a failed device may fail too
  }
}
