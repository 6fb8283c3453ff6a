import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import {
  AUTOENCODER_SETTINGS,
  type AutoencoderSettings,
} from "../../train/autoencoder/settings.ts";
import type { TrainBatch } from "../../train/settings.ts";
import { GOLDENS, openGolden } from "./far.ts";

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
