import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import {
  AUTOENCODER_SETTINGS,
  type AutoencoderSettings,
} from "../../train/autoencoder/settings.ts";
import type { TrainBatch } from "../../train/settings.ts";
import { GOLDENS, openGolden } from "./far.ts";

/** A tensor of a digest: evenly spread entries, and the largest of all. */
export interface Digest {
  readonly values: Float32Array;
  readonly scale: number;
}

/** Entries of a digest, at most. */
const ENTRIES = 300;

/** Largest difference of a tensor's entries from a digest's, over its largest entry. */
export function digestError(actual: Float32Array, { values, scale }: Digest): number {
  const stride = Math.max(1, Math.ceil(actual.length / ENTRIES));
  const picked = actual.filter((_, i) => i % stride === 0);
  if (picked.length !== values.length) return Infinity;
  return Math.max(...values.map((value, i) => Math.abs(value - picked[i]!))) / scale;
}

/** Tensors of a digest file by name, those with a prefix, which is taken off. */
export async function readDigests(path: string, prefix = ""): Promise<Map<string, Digest>> {
  const golden = await openGolden(path);
  const digests = new Map<string, Digest>();
  for (const name of golden.names.filter((name) => name.startsWith(prefix))) {
    if (name.startsWith("scale.") || !golden.has(`scale.${name}`)) continue;
    const [scale] = await golden.floats(`scale.${name}`);
    digests.set(name.slice(prefix.length), { values: await golden.floats(name), scale: scale! });
  }
  golden.close();
  return digests;
}

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
