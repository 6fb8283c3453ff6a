import { EVEN } from "../model/scheduler.ts";
import { checkMemory, WEIGHTS } from "../run/memory_check.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import { type DeviceProfile, tensorKind } from "../gpu/tuning.ts";
import { loadAutoencoder } from "../model/autoencoder.ts";
import { parseAutoencoderConfig } from "../model/autoencoder_config.ts";
import { type FarSizes, parseTransformerConfig } from "../model/config.ts";
import { Loader } from "../model/loader.ts";
import type { DeclaredModel, ModelInfo } from "../model/model.ts";
import { Pipeline } from "../run/pipeline.ts";
import { SyntheticWeights } from "../model/synthetic_weights.ts";
import { loadTransformer } from "../model/transformer.ts";
import {
  architectureConfig,
  type ArchitectureName,
  autoencoderConfig,
  type AutoencoderName,
} from "../released/presets.ts";

/** A released architecture without its weights. */
export interface SyntheticOptions {
  /** The architecture with these sizes. */
  readonly architecture: ArchitectureName;
  /** The released autoencoder (8x). */
  readonly vae?: AutoencoderName;
  /** Type of weights and caches (f32). */
  readonly dtype?: "f32" | "f16";
  /** Number of blocks (the architecture's). */
  readonly layers?: number;
  /** The device, which decides the kind of memory for weights (a GPU). */
  readonly device?: DeviceProfile;
  /** Entries of the transformer's configuration that differ from the architecture's. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The only half whose weights are needed. */
  readonly only?: "transformer" | "autoencoder";
}

/** Declares a released architecture with synthetic weights; needs no device. */
export function declareSynthetic(options: SyntheticOptions): DeclaredModel {
  const { architecture, dtype = "f32", layers, only, config } = options;
  const parsed = parseTransformerConfig({ ...architectureConfig(architecture), ...config });
  const sizes = { ...parsed, layers: layers ?? parsed.layers };
  const vae = parseAutoencoderConfig(autoencoderConfig(options.vae ?? "8x"));
  const memory = new Memory();
  const weights = new SyntheticWeights();
  const kind = options.device && tensorKind(options.device);
  const loader = new Loader(weights, memory, dtype, kind);
  const vaeLoader = new Loader(weights, memory, dtype, kind);
  return {
    info: describe(architecture, sizes, vae.compression),
    sizes,
    vae,
    transformer: loadTransformer(loader, sizes),
    autoencoder: loadAutoencoder(vaeLoader, vae),
    dtype,
    memory,
    fill: async (gpu, fill = {}) => {
      if (only !== "autoencoder") await loader.fill(gpu, fill);
      if (only !== "transformer") await vaeLoader.fill(gpu, { signal: fill.signal });
    },
  };
}

/**
 * Loads a released architecture with synthetic weights onto a device.
 * @throws {GpuError} not enough memory
 */
export async function syntheticPipeline(gpu: Gpu, options: SyntheticOptions): Promise<Pipeline> {
  const model = declareSynthetic({ ...options, device: gpu.adapter });
  checkMemory(gpu, [model.memory], WEIGHTS);
  try {
    await model.fill(gpu);
  } catch (error) {
    model.memory.free(gpu);
    throw error;
  }
  return new Pipeline(gpu, model, false);
}

function describe(name: string, sizes: FarSizes, compression: number): ModelInfo {
  return {
    path: "",
    name: `${name} with made-up weights`,
    description: undefined,
    license: undefined,
    fps: 8,
    actions: undefined,
    labels: undefined,
    defaults: {},
    condition: sizes.condition,
    channels: sizes.channels,
    compression,
    multiple: compression * (sizes.contextPatch ?? sizes.patch),
    parameters: 0,
    long: sizes.contextPatch !== undefined,
    window: sizes.trainedWindow,
    positions: "exact",
    timesteps: "exact",
    windowCache: "encode",
    schedule: EVEN,
  };
}
