import type { Gpu } from "../../gpu/gpu.ts";
import { mostBytes } from "../../gpu/memory.ts";
import type { DeviceProfile } from "../../gpu/tuning.ts";
import { similarity } from "../../metrics/similarity.ts";
import { GpuTrainer, type PreparedStep } from "../gpu_trainer.ts";
import { RESULTS } from "../network.ts";
import { learningRate } from "../schedule.ts";
import type { ParameterSource, StepResult, TrainBatch, TrainState } from "../settings.ts";
import type { AutoencoderEngine } from "./engine.ts";
import { initialAutoencoder, isStatistic } from "./parameters.ts";
import { planAutoencoder } from "./plan.ts";
import type { AutoencoderSettings } from "./settings.ts";

/**
 * Trains an autoencoder, one optimiser step per `submit`. The `latents` of its batches are pictures,
 * [videos, frames, 3, H, W] from 0 to 1.
 * Source: released class `DCAETrainer`.
 */
export class AutoencoderTrainer extends GpuTrainer<AutoencoderEngine> {
  /** Steps that the discriminator did not take part in. */
  #rested = this.engine.settings.discStart ?? 0;

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
    const buffer = mostBytes("storage", gpu.limits);
    const texture = mostBytes("texture", gpu.limits);
    const { engine, plan } = planAutoencoder(settings, device, { memory, buffer, texture });
    try {
      const source = initial === "init"
        ? initialAutoencoder(settings.seed, engine.parameters)
        : initial;
      await engine.fill(gpu, source);
      await gpu.idle();
      return new AutoencoderTrainer(gpu, engine, plan);
    } catch (error) {
      engine.memory.free(gpu);
      throw error;
    }
  }

  protected override check({ videos, frames, latents }: TrainBatch): void {
    const { batch, frames: wanted, height, width } = this.engine.settings;
    const floats = videos * frames * 3 * height * width;
    if (videos === batch && frames === wanted && latents.length === floats) return;
    throw new RangeError(
      `Cannot train on this batch: ${videos} clips of ${frames} pictures with ${latents.length} ` +
        `numbers, not ${batch} of ${wanted} at ${width}x${height}`,
    );
  }

  /** Pictures of a part of a batch. */
  #part({ latents: pictures }: TrainBatch, part: number): Float32Array {
    const { division: { microBatch }, settings: { height, width } } = this.engine;
    const size = microBatch * 3 * height * width;
    return pictures.subarray(part * size, (part + 1) * size);
  }

  /** Noise of a part's latents, where there is some. */
  #noise(pictures: Float32Array): Float32Array | undefined {
    const { latentNoise, sizes: { compression, latentChannels } } = this.engine.settings;
    if (latentNoise === 0) return undefined;
    const latents = pictures.length / 3 / compression ** 2 * latentChannels;
    return this.random.normal(latents).map((value) => latentNoise * value);
  }

  protected override prepare(batch: TrainBatch, step: number): PreparedStep {
    const { division: { microBatch }, settings, adversarialUpdates } = this.engine;
    const joined = this.#joins(step);
    const pictures = batch.videos * batch.frames;
    const pass = (part: number) => {
      const own = this.#part(batch, part);
      if (joined && part === 0) this.#beginAdversary(step);
      const kind = joined ? "adversarial" : "train";
      return this.engine.prepare(this.gpu, own, this.#noise(own), kind);
    };
    const passes = Math.ceil(pictures / microBatch);
    return {
      ...{ frames: settings.frames, tokens: pictures, passes, pass },
      ...joined && { updates: adversarialUpdates },
    };
  }

  /** Whether the discriminator takes part in a step. */
  #joins(step: number): boolean {
    const { discStart = Infinity } = this.engine.settings;
    return step > discStart;
  }

  #beginAdversary(step: number): void {
    const { settings, adversary } = this.engine;
    const { betas, weightDecay, eps } = settings;
    const lr = learningRate(settings, step);
    adversary!.begin(this.gpu, { step: step - this.#rested, lr, betas, weightDecay, eps });
  }

  protected override others(step: number) {
    return this.#joins(step) ? this.engine.adversary!.losses(this.gpu) : super.others(step);
  }

  /**
   * As for every trainer, but steps are never given up, where passes move running statistics on.
   */
  override submit(batch: TrainBatch, signal?: AbortSignal): Promise<StepResult | undefined> {
    const { parameters, adversary } = this.engine;
    const moves = adversary !== undefined || parameters.some(({ name }) => isStatistic(name));
    return super.submit(batch, moves ? undefined : signal);
  }

  override async state(): Promise<TrainState> {
    const state = await super.state();
    const { adversary } = this.engine;
    if (!adversary) return state;
    const steps = Math.max(0, state.step - this.#rested);
    return { ...state, discriminator: await adversary.state(this.gpu, steps) };
  }

  override async restore(state: TrainState): Promise<void> {
    const { adversary, settings: { discStart = 0 } } = this.engine;
    const { discriminator } = state;
    if (adversary && discriminator) adversary.restore(this.gpu, discriminator);
    this.#rested = Math.max(discStart, state.step - (discriminator?.step ?? 0));
    await super.restore(state);
  }

  /** @internal */
  override async gradients(batch: TrainBatch) {
    const own = await super.gradients(batch);
    const discriminator = await this.engine.adversary?.gradients(this.gpu);
    return { ...own, discriminator };
  }

  /** Loss, PSNR and SSIM without a step, without noise, with the running statistics. */
  async validate(batch: TrainBatch): Promise<Record<"loss" | "psnr" | "ssim", number>> {
    const { results, reconstructed, division: { microBatch }, settings } = this.engine;
    this.check(batch);
    const pictures = batch.videos * batch.frames;
    const size = 3 * settings.height * settings.width;
    const sum = { loss: 0, psnr: 0, ssim: 0 };
    for (let first = 0; first < pictures; first += microBatch) {
      const part = this.#part(batch, first / microBatch);
      const count = part.length / size;
      const program = this.engine.prepare(this.gpu, part, undefined, "validate");
      this.gpu.write(results.buffer, 4 * RESULTS.validation, new Float32Array(1));
      this.gpu.run(program);
      const loss = (await this.gpu.readFloats(results))[RESULTS.validation]!;
      const made = await this.gpu.readFloats(reconstructed);
      sum.loss += loss * count / pictures;
      for (let i = 0; i < count; i++) {
        const given = part.subarray(i * size, (i + 1) * size);
        const own = made.subarray(i * size, (i + 1) * size);
        const { psnr, ssim } = similarity(given, own, settings.width, settings.height);
        sum.psnr += psnr / pictures;
        sum.ssim += ssim / pictures;
      }
    }
    return sum;
  }

  /** Weights in released names and shapes, averaged if an average is kept; live statistics. */
  parameters(): Promise<Map<string, Float32Array>> {
    return this.read(this.engine.settings.ema !== undefined);
  }
}
