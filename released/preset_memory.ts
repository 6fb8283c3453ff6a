import { EVEN } from "../model/scheduler.ts";
import { Memory } from "../gpu/memory.ts";
import type { JsonObject } from "../files/json.ts";
import {
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
  type Preset,
  PRESET_LATENT_SIZE,
  PRESET_STEPS,
  presetConfig,
} from "./presets.ts";
import { loadAutoencoder } from "../model/autoencoder.ts";
import { parseAutoencoderConfig } from "../model/autoencoder_config.ts";
import { parseTransformerConfig } from "../model/config.ts";
import { Loader } from "../model/loader.ts";
import { SyntheticWeights } from "../model/synthetic_weights.ts";
import { loadTransformer } from "../model/transformer.ts";
import { type MemoryNeed, type MemoryOptions, needOf } from "../run/memory_needed.ts";

/** Memory for a released model's published test, without its files. Needs no GPU. */
export function presetMemory(preset: Preset, dtype: "f32" | "f16"): MemoryNeed {
  return configuredMemory(presetConfig(preset), preset.vae, {
    frames: preset.frames,
    contextFrames: preset.context,
    steps: PRESET_STEPS,
    guidance: preset.guidance,
    dtype,
  });
}

/**
 * Memory for generating with a transformer of this configuration and a released autoencoder,
 * without their files. Needs no GPU. The picture has the size of the released models with that
 * autoencoder.
 * @param transformer contents of its config.json
 * @throws {TypeError | RangeError} the two do not fit each other, or the run is invalid
 */
export function configuredMemory(
  transformer: JsonObject,
  autoencoder: AutoencoderName,
  options: Omit<MemoryOptions, "width" | "height">,
): MemoryNeed {
  const sizes = parseTransformerConfig(transformer);
  const vae = parseAutoencoderConfig(autoencoderConfig(autoencoder));
  const memory = new Memory();
  const { dtype = "f32" } = options;
  const loader = new Loader(new SyntheticWeights(), memory, dtype);
  const compression = COMPRESSION[autoencoder];
  const side = PRESET_LATENT_SIZE * compression;
  return needOf(
    {
      info: {
        positions: "exact",
        timesteps: "exact",
        schedule: EVEN,
        name: autoencoder,
        condition: sizes.condition,
        channels: sizes.channels,
        compression,
        multiple: compression,
      },
      sizes,
      vae,
      transformer: loadTransformer(loader, sizes),
      autoencoder: loadAutoencoder(loader, vae),
      dtype,
      memory,
    },
    { ...options, width: side, height: side },
  );
}
