import type { Gpu } from "../../gpu/gpu.ts";
import type { DeviceProfile } from "../../gpu/tuning.ts";
import { packAdamwStep } from "../../kernels/adamw.ts";
import { similarity } from "../../metrics/similarity.ts";
import { joinBatches } from "../batches.ts";
import { StepRandom } from "../draws.ts";
import { readParameterState, writeParameterState } from "../parameters.ts";
import { learningRate } from "../schedule.ts";
import type { ParameterSource, StepResult, TrainBatch, TrainState } from "../settings.ts";
import { type AutoencoderEngine, RESULTS } from "./engine.ts";
import { initialAutoencoder } from "./parameters.ts";
import { planAutoencoder } from "./plan.ts";
import type { AutoencoderSettings } from "./settings.ts";
import type { TrainPlan } from "../plan.ts";

/** A submitted step whose result was not read yet. */
type Pending = Omit<StepResult, "loss" | "gradNorm" | "finite">;

/**
 * Trains an autoencoder, one optimiser step per `submit`. The `latents` of its batches are pictures,
 * [videos, frames, 3, H, W] from 0 to 1.
 * Source: released class `DCAETrainer`, its first phase.
 */
export class AutoencoderTrainer {
  readonly plan: TrainPlan;
  readonly #gpu: Gpu;
  readonly #engine: AutoencoderEngine;
  readonly #random: StepRandom;
  /** Steps submitted. */
  #step = 0;
  #pending: Pending | undefined;
  /** Batches of an incomplete step. */
  #parts: TrainBatch[] = [];

  private constructor(gpu: Gpu, engine: AutoencoderEngine, plan: TrainPlan) {
    this.#gpu = gpu;
    this.#engine = engine;
    this.plan = plan;
    this.#random = new StepRandom(engine.settings.seed);
  }

  /**
   * Makes the trainer on a device, with given weights or PyTorch's default initialisation.
   * @param options most bytes (no limit), and the device profile for kernels (the adapter's)
   * @throws {RangeError} settings that contradict each other, or weights of other shapes
   * @throws {GpuError} not enough memory
   */
  static async open(
    gpu: Gpu,
    settings: AutoencoderSettings,
    initial: ParameterSource | "init",
    { memory, device = gpu.adapter }: { memory?: number; device?: DeviceProfile } = {},
  ): Promise<AutoencoderTrainer> {
    const { maxStorageBufferBindingSize: buffer, maxTextureDimension2D: rows } = gpu.limits;
    const { engine, plan } = planAutoencoder(settings, device, { memory, buffer, rows });
    try {
      engine.memory.allocate(gpu);
      const source = initial === "init"
        ? initialAutoencoder(settings.seed, engine.parameters)
        : initial;
      await engine.store.fill(gpu, source);
      await gpu.idle();
      return new AutoencoderTrainer(gpu, engine, plan);
    } catch (error) {
      engine.memory.free(gpu);
      throw error;
    }
  }

  /** Steps submitted, including those of an earlier run. */
  get step(): number {
    return this.#step;
  }

  /**
   * Starts a step (with accumulation: collects a part of one) and returns the previous step's
   * result, so that the device never waits.
   * @throws {RangeError} a batch of other sizes
   */
  async submit(batch: TrainBatch): Promise<StepResult | undefined> {
    const { settings, update, results } = this.#engine;
    this.#check(batch);
    this.#parts.push(batch);
    if (this.#parts.length < settings.accumulate) return undefined;
    const { latents: pictures } = joinBatches(this.#parts);
    this.#parts = [];
    const step = this.#step + 1;
    const lr = learningRate(settings, step);
    const before = this.#read(); // blocks until the device is idle, so do everything else first
    const { betas, weightDecay, eps, clip, ema = 0 } = settings;
    const numbers = { step, lr, betas, weightDecay, eps, clip, ema, lossScale: 1 };
    this.#gpu.write(results.buffer, 0, new Float32Array(2));
    this.#gpu.write(this.#engine.step, 0, packAdamwStep(numbers));
    for (const program of this.#passes(pictures, "train")) this.#gpu.run(program);
    this.#gpu.run(update);
    this.#step = step;
    const frames = settings.batch * settings.accumulate * settings.frames;
    this.#pending = { step, lr, frames: settings.frames, tokens: frames };
    return await before;
  }

  #check({ videos, frames, latents }: TrainBatch): void {
    const { batch, frames: wanted, height, width } = this.#engine.settings;
    const floats = videos * frames * 3 * height * width;
    if (videos === batch && frames === wanted && latents.length === floats) return;
    throw new RangeError(
      `Cannot train on this batch: ${videos} clips of ${frames} pictures with ${latents.length} ` +
        `numbers, not ${batch} of ${wanted} at ${width}x${height}`,
    );
  }

  /** Programs for parts of the pictures; run each before requesting the next. */
  *#passes(pictures: Float32Array, kind: "train" | "validate") {
    const { division: { microBatch }, settings } = this.#engine;
    const { height, width, latentNoise, sizes: { compression, latentChannels } } = settings;
    const size = microBatch * 3 * height * width;
    for (let at = 0; at < pictures.length; at += size) {
      const part = pictures.subarray(at, at + size);
      const latents = part.length / 3 / compression ** 2 * latentChannels;
      const noise = kind === "train" && latentNoise > 0
        ? this.#random.normal(latents).map((value) => latentNoise * value)
        : undefined;
      yield this.#engine.prepare(this.#gpu, part, noise, kind);
    }
  }

  /** Reads the result of the pending step; the copy is in progress when this returns. */
  #read(): Promise<StepResult | undefined> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return Promise.resolve(undefined);
    return this.#gpu.readFloats(this.#engine.results).then((results) => {
      const loss = results[RESULTS.loss]!;
      const gradNorm = Math.sqrt(results[RESULTS.squares]!);
      const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
      return { ...pending, loss, gradNorm, finite };
    });
  }

  /** Result of the last step submitted, if it was not returned yet. */
  flush(): Promise<StepResult | undefined> {
    return this.#read();
  }

  /** Loss, PSNR and SSIM without a step, without noise, with the running statistics. */
  async validate(batch: TrainBatch): Promise<Record<"loss" | "psnr" | "ssim", number>> {
    const { results, reconstructed, division: { microBatch }, settings } = this.#engine;
    this.#check(batch);
    const pictures = batch.videos * batch.frames;
    const size = 3 * settings.height * settings.width;
    const sum = { loss: 0, psnr: 0, ssim: 0 };
    let first = 0;
    for (const program of this.#passes(batch.latents, "validate")) {
      this.#gpu.write(results.buffer, 4 * RESULTS.validation, new Float32Array(1));
      this.#gpu.run(program);
      const loss = (await this.#gpu.readFloats(results))[RESULTS.validation]!;
      const made = await this.#gpu.readFloats(reconstructed);
      const count = Math.min(microBatch, pictures - first);
      sum.loss += loss * count / pictures;
      for (let i = 0; i < count; i++) {
        const given = batch.latents.subarray((first + i) * size, (first + i + 1) * size);
        const own = made.subarray(i * size, (i + 1) * size);
        const { psnr, ssim } = similarity(given, own, settings.width, settings.height);
        sum.psnr += psnr / pictures;
        sum.ssim += ssim / pictures;
      }
      first += count;
    }
    return sum;
  }

  /** Everything needed to continue. Call `flush` first: the state includes a step in progress. */
  async state(): Promise<TrainState> {
    const { store, settings } = this.#engine;
    return {
      step: this.#step,
      ...await readParameterState(store, this.#gpu, settings.ema !== undefined),
      random: this.#random.state,
    };
  }

  /** Restores a state. @throws {RangeError} it belongs to another model or other settings */
  async restore(state: TrainState): Promise<void> {
    this.#pending = undefined;
    this.#parts = [];
    writeParameterState(this.#engine.store, this.#gpu, state);
    this.#random.state = state.random;
    this.#step = state.step;
    await this.#gpu.idle();
  }

  /** Weights in released names and shapes, averaged if an average is kept; live statistics. */
  async parameters(): Promise<Map<string, Float32Array>> {
    const { store, settings } = this.#engine;
    const all = await store.read(this.#gpu, "weight");
    if (settings.ema === undefined) return all;
    for (const [name, values] of await store.read(this.#gpu, "shadow")) all.set(name, values);
    return all;
  }

  /** @internal Loss and gradients of a batch, without a step: for tests. */
  async gradients(
    batch: TrainBatch,
  ): Promise<{ readonly loss: number; readonly gradients: Map<string, Float32Array> }> {
    const { store, results } = this.#engine;
    this.#gpu.write(results.buffer, 0, new Float32Array(2));
    for (const program of this.#passes(batch.latents, "train")) this.#gpu.run(program);
    const gradients = await store.read(this.#gpu, "gradient");
    const loss = (await this.#gpu.readFloats(results))[RESULTS.loss]!;
    for (const { copies } of store.trained) {
      const { buffer } = copies.gradient!;
      this.#gpu.write(buffer, 0, new Uint8Array(buffer.bytes));
    }
    return { loss, gradients };
  }

  /** Frees the device's memory. */
  close(): void {
    this.#engine.memory.free(this.#gpu);
  }
}
