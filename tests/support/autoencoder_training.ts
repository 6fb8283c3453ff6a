import { join } from "node:path";
import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import {
  AUTOENCODER_SETTINGS,
  type AutoencoderSettings,
} from "../../train/autoencoder/settings.ts";
import { type AutoencoderOptions, trainAutoencoder } from "../../train/autoencoder/train.ts";
import { AutoencoderTrainer } from "../../train/autoencoder/trainer.ts";
import type { StepResult, TrainBatch, TrainState } from "../../train/settings.ts";
import type { TrainedStep } from "../../train/train.ts";
import { GOLDENS, openGolden } from "./far.ts";
import { KERNELS, testGpu } from "./gpu.ts";
import { TINY_AUTOENCODER, writeClips } from "./tiny_autoencoder.ts";
import { goldenWeights } from "./train.ts";

/** The golden autoencoder's first step: its settings, pictures, loss and gradient norm. */
export async function goldenPictures(): Promise<{
  readonly settings: AutoencoderSettings;
  readonly batch: TrainBatch;
  readonly loss: number;
  readonly gradNorm: number;
}> {
  const config = JSON.parse(await Deno.readTextFile(`${GOLDENS}train/dcae/config.json`));
  const golden = await openGolden("train/dcae/step1.safetensors");
  const [videos, frames, , height, width] = golden.shape("video") as number[];
  const latents = await golden.floats("video");
  const [loss] = await golden.floats("loss");
  const [gradNorm] = await golden.floats("grad_norm");
  golden.close();
  return {
    settings: {
      ...AUTOENCODER_SETTINGS,
      config,
      sizes: parseAutoencoderConfig(config),
      height: height!,
      width: width!,
      batch: videos!,
      frames: frames!,
      steps: 1,
      loss: { l1: 1, mse: 1, edges: 0, structure: 0, lpips: 0 },
    },
    batch: { videos: videos!, frames: frames!, latents },
    loss: loss!,
    gradNorm: gradNorm!,
  };
}

/** The golden autoencoder after its first step, as own kernels take it, before a discriminator joins. */
export async function goldenJoined(by: string, recompute: boolean): Promise<AutoencoderTrainer> {
  const gpu = await testGpu();
  const { settings, batch } = await goldenPictures();
  const weights = await goldenWeights("train/dcae/init.safetensors");
  const joined = { ...settings, steps: 2, discStart: 1, discFilters: 8 };
  const open = (recompute: boolean, by: string) => {
    const options = { device: KERNELS[by]!(gpu) };
    return AutoencoderTrainer.open(gpu, { ...joined, recompute }, weights, options);
  };
  const first = await open(false, "own kernels");
  await first.submit(batch);
  await first.flush();
  const state = await first.state();
  first.close();
  const judge = await goldenWeights("train/dcae/init_disc.safetensors");
  const discriminator = state.discriminator!;
  const parameters = new Map<string, Float32Array>();
  for (const [name, shape] of discriminator.shapes) parameters.set(name, await judge(name, shape));
  const trainer = await open(recompute, by);
  await trainer.restore({ ...state, discriminator: { ...discriminator, parameters } });
  return trainer;
}

/** The batch and the numbers of the golden autoencoder's second step. */
export async function goldenSecond(): Promise<{
  readonly batch: TrainBatch;
  readonly loss: Readonly<Record<"own" | "generator" | "discriminator", number>>;
  readonly gradNorm: number;
}> {
  const { batch } = await goldenPictures();
  const golden = await openGolden("train/dcae/step2.safetensors");
  const number = async (name: string) => (await golden.floats(name))[0]!;
  const latents = await golden.floats("video");
  const own = await number("loss.rec_loss") + await number("loss.perceptual_loss");
  const generator = await number("loss.g_loss");
  const discriminator = await number("loss.total_loss_d");
  const gradNorm = await number("grad_norm");
  golden.close();
  return { batch: { ...batch, latents }, loss: { own, generator, discriminator }, gradNorm };
}

/** Runs a test with a trainer of first weights, which is closed afterwards. */
export async function withAutoencoderTrainer<T>(
  settings: AutoencoderSettings,
  work: (trainer: AutoencoderTrainer) => Promise<T>,
): Promise<T> {
  const trainer = await AutoencoderTrainer.open(await testGpu(), settings, "init");
  try {
    return await work(trainer);
  } finally {
    trainer.close();
  }
}

/** What steps on batches give, and the state after them. */
export async function stepsOn(
  trainer: AutoencoderTrainer,
  batches: readonly TrainBatch[],
): Promise<{ readonly results: StepResult[]; readonly state: TrainState }> {
  const results: StepResult[] = [];
  for (const batch of batches) results.push(...[await trainer.submit(batch) ?? []].flat());
  results.push(...[await trainer.flush() ?? []].flat());
  return { results, state: await trainer.state() };
}

/** A run of four steps of the tiny autoencoder, on clips in a folder. */
export async function tinyOptions(
  folder: string,
  more: Partial<AutoencoderOptions>,
): Promise<AutoencoderOptions> {
  return {
    clips: [await writeClips(folder, { clips: 5, frames: 3, size: 24 })],
    output: join(folder, "run"),
    config: TINY_AUTOENCODER,
    gpu: await testGpu(),
    ...{ batch: 2, frames: 2, lr: 1e-3, steps: 4, heldOut: 0 },
    ...more,
  };
}

/** The steps of a whole run. */
export async function stepsOfRun(options: AutoencoderOptions): Promise<TrainedStep[]> {
  return await Array.fromAsync(trainAutoencoder(options));
}
