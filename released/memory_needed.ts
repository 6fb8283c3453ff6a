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
import { type Condition, parseTransformerConfig } from "../model/config.ts";
import { Loader } from "../model/loader.ts";
import { type DeclaredModel, declareModel } from "../model/model.ts";
import { type GenerateOptions, type OptionsInfo, resolveOptions } from "../run/options.ts";
import { declareRun } from "../run/prepared_run.ts";
import { SyntheticWeights } from "../model/synthetic_weights.ts";
import { loadTransformer } from "../model/transformer.ts";
import { openModelFolder } from "../weights/model_folder.ts";

/** GPU memory in bytes. */
export interface MemoryNeed {
  /** Weights of transformer and autoencoder. */
  readonly weights: number;
  /** Caches, activations, tables, pictures. */
  readonly run: number;
  /** Weights and run. */
  readonly total: number;
  /** The largest single buffer: a storage binding must span it. */
  readonly largest: number;
}

/** A run, without the values that make no difference to its memory. */
export type MemoryOptions = Omit<GenerateOptions, "context"> & {
  /** Of weights and caches (f32). */
  readonly dtype?: "f32" | "f16";
  /** Whether it runs on a software adapter, whose kernels differ (no). */
  readonly cpu?: boolean;
};

/**
 * What generating so many frames takes, computed from the headers of the weights alone: the buffers
 * are declared as a run declares them, so the figure is the run's own. Needs no GPU. Where no
 * actions are given, all of the model's are assumed to occur.
 * @param options.frames generated frames; `dtype` of weights and caches (f32)
 * @throws {CheckpointError | TypeError | RangeError} as `loadPipeline` and `Pipeline.plan`
 */
export async function memoryNeeded(path: string, options: MemoryOptions): Promise<MemoryNeed> {
  const device = { cpu: options.cpu ?? false };
  const model = await declareModel(await openModelFolder(path), {
    dtype: options.dtype ?? "f32",
    device,
  });
  model.close();
  return needOf(model, options);
}

/** What a released model's published test takes, without its files. Needs no GPU. */
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
 * What generating takes with a transformer of this configuration and a released autoencoder, without
 * their files. Needs no GPU. The picture is as large as the released models' with that autoencoder.
 * @param transformer as its config.json has it
 * @throws {TypeError | RangeError} the two don't fit, or the run is none
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

type Declared = Omit<DeclaredModel, "info" | "fill" | "close"> & {
  readonly info: OptionsInfo;
};

function needOf(model: Declared, options: MemoryOptions): MemoryNeed {
  const { info } = model;
  const { contextFrames = 0, frames: generated, ...rest } = options;
  const frames = generated + contextFrames;
  const stand = standInClasses(info.condition, frames);
  const resolved = resolveOptions({ ...stand, ...rest, frames }, info);
  const run = declareRun(model, { cpu: options.cpu ?? false }, {
    ...resolved,
    classes: options.actions ? resolved.classes : allClasses(info.condition, resolved.classes),
    contextFrames,
    generated,
  });
  const weights = model.memory.bytes;
  return {
    weights,
    run: run.memory.bytes,
    total: weights + run.memory.bytes,
    largest: Math.max(model.memory.largest?.bytes ?? 0, run.memory.largest?.bytes ?? 0),
  };
}

/** Any classes will do where only their number counts. */
function standInClasses({ kind, count }: Condition, frames: number) {
  return {
    actions: kind === "action" ? Array<number>(frames).fill(count) : undefined,
    labels: kind === "label" ? [0] : undefined,
  };
}

function allClasses({ kind, count }: Condition, used: readonly number[]): readonly number[] {
  return kind === "action" ? Array.from({ length: count }, (_, i) => i) : used;
}
