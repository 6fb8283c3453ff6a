import { Gpu } from "../../gpu/gpu.ts";
import { Sampler } from "../data/sampler.ts";
import { measureSteps, type TrainPreview } from "../preview.ts";
import { type AutoencoderOptions, autoencoderSettings } from "./options.ts";
import { readAutoencoderOrigin } from "./origin.ts";
import { openPictures } from "./run.ts";
import { AutoencoderTrainer } from "./trainer.ts";

/**
 * Opens the data, plans the memory and measures a few steps of an autoencoder's training. Nothing is
 * written.
 * @throws as `trainAutoencoder`
 */
export async function previewAutoencoder(options: AutoencoderOptions): Promise<TrainPreview> {
  const origin = await readAutoencoderOrigin(options);
  const gpu = options.gpu ?? await Gpu.open({ backend: options.backend });
  try {
    const { train } = await openPictures(options, origin);
    const settings = autoencoderSettings(options, origin, train.sizes);
    const trainer = await AutoencoderTrainer.open(gpu, settings, origin.initial);
    try {
      const { batch, seed, accumulate } = settings;
      const sampler = new Sampler({ starts: train.starts, batch, seed, shuffle: true });
      return {
        plan: trainer.plan,
        clips: train.clips.length,
        frames: train.frames,
        secondsPerStep: await measureSteps(trainer, train, sampler, accumulate),
      };
    } finally {
      trainer.close();
    }
  } finally {
    if (!options.gpu) await gpu.close();
  }
}
