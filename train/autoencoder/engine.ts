import type { Gpu } from "../../gpu/gpu.ts";
import { type DeviceBuffer, Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { type DeviceProfile, tensorKind } from "../../gpu/tuning.ts";
import { ADAMW_STEP_BYTES } from "../../kernels/adamw.ts";
import { add } from "../../kernels/add.ts";
import { inKind } from "../../kernels/copy.ts";
import { type Image, imageBuffer, readImage, writeImage } from "../../kernels/image.ts";
import { pictureLoss } from "../../kernels/picture_loss.ts";
import { structureLoss } from "../../kernels/structure_loss.ts";
import type { Division } from "../engine.ts";
import { RESULTS } from "../network.ts";
import type { Parameter } from "../parameters.ts";
import { ParameterStore } from "../parameters.ts";
import { recordUpdate, updateScratch } from "../update.ts";
import { Adversary } from "./adversary.ts";
import { type Layer, PackedWeights, type Tape } from "./layers.ts";
import { decode, encode } from "./network.ts";
import { groupLabel, isOfEncoder, listAutoencoderParameters, trainedBy } from "./parameters.ts";
import { PERCEPTUAL_PARAMETERS, PerceptualLoss } from "./perceptual.ts";
import type { ParameterSource } from "../settings.ts";
import { adversarialSettings, type AutoencoderSettings } from "./settings.ts";

/** What is recorded: a step's pass, one that a discriminator joins, or a loss alone. */
export type AutoencoderPass = "train" | "adversarial" | "validate";

/** Everything on the device: parameters, activations, and the programs that train them. */
export class AutoencoderEngine {
  readonly settings: AutoencoderSettings;
  readonly division: Division;
  readonly parameters: readonly Parameter[];
  readonly isTrained: (name: string) => boolean;
  readonly store: ParameterStore;
  readonly memory = new Memory();
  /** Loss and squares of gradients, summed up on the device. */
  readonly results: Tensor;
  /** Parameters of an optimiser step. */
  readonly step: DeviceBuffer;
  /** Clipping, AdamW and EMA. */
  readonly update: Program;
  /** The discriminator, where there is one, and what its steps run last: the encoder rests. */
  readonly adversary: Adversary | undefined;
  readonly adversarialUpdates: readonly Program[];
  /** Pictures [B, 3, H, W], noise of latents [B, h, w, C], and the reconstructed pictures. */
  readonly #pictures: Tensor;
  readonly #noise: Tensor | undefined;
  readonly reconstructed: Tensor;
  readonly #device: DeviceProfile;
  readonly #packed: PackedWeights;
  readonly #perceptual: PerceptualLoss | undefined;
  readonly #passes = new Map<string, Program>();

  constructor(settings: AutoencoderSettings, device: DeviceProfile, division: Division) {
    this.settings = settings;
    this.division = division;
    this.#device = device;
    this.parameters = listAutoencoderParameters(settings.config);
    this.isTrained = trainedBy(settings.freeze ?? [], this.parameters);
    this.store = new ParameterStore(this.memory, this.parameters, {
      isTrained: this.isTrained,
      ema: settings.ema !== undefined,
      labelOf: groupLabel,
    });
    const { height, width, latentNoise, sizes: { compression, latentChannels } } = settings;
    const shape = [division.microBatch, height, width] as const;
    this.#pictures = imageBuffer(this.memory, "pictures", shape, "floats").pixels;
    this.reconstructed = imageBuffer(this.memory, "reconstructed", shape, "floats").pixels;
    const latents = [shape[0], height / compression, width / compression, latentChannels];
    this.#noise = latentNoise > 0 ? this.memory.tensor("latent noise", latents) : undefined;
    this.#perceptual = settings.perceptual && settings.loss.lpips > 0
      ? new PerceptualLoss(this.memory, settings.perceptual)
      : undefined;
    const adversarial = adversarialSettings(settings);
    this.adversary = adversarial && new Adversary(this.memory, adversarial);
    const packed = [
      ...this.parameters,
      ...this.#perceptual ? PERCEPTUAL_PARAMETERS : [],
      ...this.adversary?.parameters ?? [],
    ];
    this.#packed = new PackedWeights(this.memory, device, packed);
    this.results = this.memory.tensor("results", [4]);
    this.step = this.memory.buffer("optimiser step", ADAMW_STEP_BYTES, "uniform");
    this.#recordPasses();
    const { trained } = this.store;
    const others = this.adversary?.store.trained ?? [];
    const scratch = updateScratch(this.memory, device, [...trained, ...others]);
    this.update = recordUpdate(trained, this.memory, device, this, scratch);
    const decoder = trained.filter(({ parameters }) => !isOfEncoder(parameters[0]!));
    if (this.adversary && decoder.length === 0) {
      throw new RangeError(
        "Cannot train: all of the decoder is frozen, which a discriminator needs",
      );
    }
    this.adversarialUpdates = this.adversary
      ? [
        recordUpdate(decoder, this.memory, device, this, scratch),
        recordUpdate(this.adversary.store.trained, this.memory, device, this.adversary, scratch),
      ]
      : [];
  }

  /** All passes that a run may need, the largest first: others reuse its memory. */
  #recordPasses(): void {
    const { settings: { batch, frames, accumulate }, division: { microBatch } } = this;
    const pictures = batch * frames;
    const kinds = this.stepKinds;
    for (const kind of kinds) this.pass(microBatch, kind);
    this.pass(Math.min(microBatch, pictures), "validate");
    const rest = pictures * accumulate % microBatch;
    if (rest) { for (const kind of kinds) this.pass(rest, kind); }
    if (pictures % microBatch) this.pass(pictures % microBatch, "validate");
  }

  /** Kinds of the passes that steps run, the costliest first. */
  get stepKinds(): readonly Exclude<AutoencoderPass, "validate">[] {
    return this.adversary ? ["adversarial", "train"] : ["train"];
  }

  /** Takes memory, and writes all weights to it. @throws {GpuError} there is not enough */
  async fill(gpu: Gpu, source: ParameterSource): Promise<void> {
    this.memory.allocate(gpu);
    await this.store.fill(gpu, source);
    await this.#perceptual?.fill(gpu);
    await this.adversary?.fill(gpu, this.settings.seed);
  }

  /** The pass over so many pictures, recorded if needed. */
  pass(pictures: number, kind: AutoencoderPass): Program {
    const key = `${kind} ${pictures}`;
    const known = this.#passes.get(key);
    if (known) return known;
    const program = new Program(key, this.memory, this.#device);
    const tape: Tape = {
      program,
      store: this.store,
      packed: this.#packed,
      known: new Set(),
      copied: {},
      training: kind !== "validate",
      recompute: this.division.recompute,
    };
    program.scope(() => this.#record(tape, pictures, kind));
    this.#passes.set(key, program.finish());
    return program;
  }

  #record(t: Tape, pictures: number, pass: AutoencoderPass): void {
    const { program: p } = t;
    const { sizes, height, width, batch, frames, accumulate, loss } = this.settings;
    const images = (pixels: Tensor): Image => ({
      pixels: { ...pixels, shape: [pictures, 3, height, width] },
      shape: [pictures, height, width],
    });
    const kind = tensorKind(p.device);
    const x = readImage(p, images(this.#pictures), kind);
    const encoded = this.#encoded(t, x, pass);
    const decoded = decode(t, sizes, this.#noised(t, encoded.y));
    const { y } = decoded;
    const dy = p.scratch(y.shape);
    const slot = t.training ? RESULTS.loss : RESULTS.validation;
    const whole = t.training ? batch * frames * accumulate : pictures;
    const to = { results: this.results, slot };
    pictureLoss(p, { x, y, dy }, loss, whole, to);
    const structure = { weight: loss.structure, pictures: whole };
    structureLoss(p, { x, y, dy }, structure, to);
    const perceptual = { weight: loss.lpips, pictures: whole };
    this.#perceptual?.record(t, { x, y, dy }, perceptual, to);
    if (t.training) {
      const { lastGradient } = decoded;
      if (pass === "adversarial") this.adversary!.record(t, { x, y, dy, lastGradient }, whole);
      const dlatents = decoded.back(inKind(p, dy, kind));
      encoded.back?.(dlatents);
    } else writeImage(p, inKind(p, y, "storage"), images(this.reconstructed));
  }

  /** Latents, and how to lead their gradient back where the encoder learns. */
  #encoded(t: Tape, x: Tensor, pass: AutoencoderPass): Pick<Layer, "y"> & Partial<Layer> {
    const { sizes } = this.settings;
    const learns = pass === "train" &&
      this.parameters.some((parameter) => isOfEncoder(parameter) && this.isTrained(parameter.name));
    return learns ? encode(t, sizes, x) : { y: t.program.scope(() => encode(t, sizes, x).y) };
  }

  #noised({ program: p, training }: Tape, latents: Tensor): Tensor {
    if (!this.#noise || !training) return latents;
    const y = p.like(latents, latents.shape);
    const noise = inKind(p, { ...this.#noise, shape: latents.shape }, latents.buffer.kind);
    add(p, latents, noise, y);
    return y;
  }

  /** Writes a pass's inputs, and returns the program that reads them. */
  prepare(
    gpu: Gpu,
    pictures: Float32Array,
    noise: Float32Array | undefined,
    kind: AutoencoderPass,
  ) {
    const { height, width } = this.settings;
    const program = this.pass(pictures.length / (3 * height * width), kind);
    this.memory.allocate(gpu);
    gpu.write(this.#pictures.buffer, 0, pictures);
    if (noise && this.#noise) gpu.write(this.#noise.buffer, 0, noise);
    return program;
  }
}
