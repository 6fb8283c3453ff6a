import { sha256 } from "../files/hash_file.ts";
import { basename, join } from "node:path";
import { isObject, isTexts, type JsonObject } from "../files/json.ts";
import { readJson } from "../files/read_json.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { quote, shapeText } from "../files/errors.ts";
import { type AutoencoderSizes, parseAutoencoderConfig } from "../model/autoencoder_config.ts";
import { type FarSizes, parseTransformerConfig } from "../model/config.ts";
import { ROUNDINGS } from "../model/embeddings.ts";
import { farWord } from "../model/model.ts";
import { EVEN, type NoiseSchedule } from "../model/scheduler.ts";
import { parseSchedulerConfig } from "../model/scheduler_config.ts";
import { type Shapes, transformerShapes } from "../released/architecture.ts";
import { loadPipeline } from "../released/load_pipeline.ts";
import { findWeights } from "../weights/open_checkpoint.ts";
import { type ModelFolder, type ModelPart, openModelFolder } from "../weights/model_folder.ts";
import { toFloats } from "../weights/floats.ts";
import { type DataFacts, readDataFacts } from "./data/data_facts.ts";
import { contentHash } from "./data/clip_cache.ts";
import type { ClipEncoder } from "./data/clip_cache.ts";
import { trainerSettings, type TrainOptions } from "./run_options.ts";
import type { ParameterSource, TrainerSettings } from "./settings.ts";

/** The starting point of a run. */
export interface Origin {
  readonly config: JsonObject;
  readonly sizes: FarSizes;
  readonly shapes: Shapes;
  /** Model folder whose autoencoder is used. */
  readonly vaeModel: string;
  readonly vaeFolder: string;
  readonly vae: AutoencoderSizes;
  readonly initial: ParameterSource | "init";
  /** How the model to fine-tune spaces its noise levels. */
  readonly noise: NoiseSchedule;
  /** far.json of the model to fine-tune. */
  readonly far: JsonObject;
  readonly names: readonly string[] | undefined;
  /** Facts about the clips from their folders. */
  readonly dataFacts: DataFacts;
  /** Hash of the weights to distill. */
  readonly teacher?: string;
}

/**
 * Reads the starting point of a run: a model, or a configuration and an autoencoder.
 * @throws {CheckpointError} the model cannot be read, or does not fit the configuration
 * @throws {TypeError} neither, or a configuration that is not supported
 */
export async function readOrigin(options: TrainOptions): Promise<Origin> {
  const { model, config: given, vae: vaeGiven } = options;
  if (!model && !given) throw new TypeError("Say what to train: give a model or a configuration");
  const source = vaeGiven ?? model;
  if (!source) throw new TypeError("Say which autoencoder to use: training from scratch needs one");
  const base = model === undefined ? undefined : await openModelFolder(model);
  const vaeFolder = (await openModelFolder(source)).vae;
  const config = given ?? base!.transformer.config;
  const sizes = parseTransformerConfig(config);
  const vae = parseAutoencoderConfig(vaeFolder.config);
  if (vae.latentChannels !== sizes.channels) {
    throw new TypeError(
      `Cannot train: the autoencoder makes ${vae.latentChannels} latent channels, the ` +
        `transformer takes ${sizes.channels}`,
    );
  }
  if (base && given) checkArchitecture(base, given);
  if (options.distill && !base) throw new TypeError("Say which model to distill");
  const far = base?.far ?? {};
  const kind = namesOf(sizes);
  const own = far[kind];
  const dataFacts = kind === "actions" ? await readDataFacts(options.clips) : {};
  return {
    config,
    sizes,
    shapes: transformerShapes(config),
    vaeModel: source,
    vaeFolder: vaeFolder.path,
    vae,
    initial: base ? weightsOf(base.transformer) : "init",
    noise: base ? parseSchedulerConfig(base.scheduler, base.path) : EVEN,
    far,
    names: options.names ?? (isTexts(own) ? own : dataFacts.actions),
    dataFacts,
    ...(options.distill &&
      { teacher: await contentHash(await findWeights(base!.transformer.path)) }),
  };
}

/** The entry of far.json with the names of a model's classes. */
function namesOf({ condition }: FarSizes): "labels" | "actions" {
  return condition.kind === "label" ? "labels" : "actions";
}

function checkArchitecture({ transformer, path }: ModelFolder, given: JsonObject): void {
  const [theirs, ours] = [transformerShapes(transformer.config), transformerShapes(given)];
  const names = new Set([...theirs.keys(), ...ours.keys()]);
  const other = [...names].find((name) => theirs.get(name)?.join() !== ours.get(name)?.join());
  if (other === undefined) return;
  const text = (shape: readonly number[] | undefined) => shape ? shapeText(shape) : "absent";
  throw new TypeError(
    `Cannot train "${path}" further: it has another architecture than the one given: ` +
      `${quote(other)} is ${text(theirs.get(other))} there, ${text(ours.get(other))} here`,
  );
}

/** Reads one parameter at a time. */
export function weightsOf(part: ModelPart): ParameterSource {
  return async (name) => {
    using checkpoint = await part.open();
    const { dtype } = checkpoint.info(name)!;
    return toFloats(await checkpoint.read(name), dtype, name);
  };
}

/** Opens the autoencoder's encoder on the device. Close it when all clips are encoded. */
export async function openEncoder(
  { vaeModel, vaeFolder, vae }: Origin,
  gpu: Gpu,
): Promise<ClipEncoder & { close(): Promise<void> }> {
  const weights = await contentHash(await findWeights(vaeFolder));
  const config = JSON.stringify(await readJson(join(vaeFolder, "config.json")));
  const pipeline = await loadPipeline(vaeModel, { gpu, dtype: "f32", parts: "autoencoder" });
  return {
    compression: vae.compression,
    channels: vae.latentChannels,
    identity: sha256(weights + config),
    encode: (pictures, width, height) => pipeline.encode(pictures, width, height),
    close: () => pipeline.close(),
  };
}

/** Rounding of positions and timesteps: as asked, or as in the model's earlier training. */
function roundingsOf(
  { far, vaeModel }: Origin,
  { model: path = vaeModel, positions, timesteps }: TrainOptions,
): Pick<TrainerSettings, "positions" | "timesteps"> {
  return {
    positions: positions ?? farWord({ path, far }, "positions", ROUNDINGS),
    timesteps: timesteps ?? farWord({ path, far }, "timesteps", ROUNDINGS),
  };
}

/** The trainer's settings for clips with latents of this size. */
export function settingsOf(
  options: TrainOptions,
  origin: Origin,
  latent: { readonly height: number; readonly width: number },
): TrainerSettings {
  const whole = { ...options, ...roundingsOf(origin, options) };
  return trainerSettings(whole, origin.sizes, latent, {
    scalingFactor: origin.vae.scalingFactor,
    noise: origin.noise,
  });
}

/** far.json of the trained model. */
export function farOf(
  origin: Origin,
  options: TrainOptions,
  size: { readonly width: number; readonly height: number } | undefined,
): JsonObject {
  const { far, names, sizes, dataFacts } = origin;
  const { output, fps, model, clips } = options;
  const defaults = { ...(isObject(far.defaults) ? far.defaults : {}) };
  // files next to the first model are not next to this one
  for (const key of ["context", "context_frames", "actions", "frames"]) delete defaults[key];
  if (options.distill) delete defaults.solver; // the student's steps are Euler's
  if (size) defaults.size = `${size.width}x${size.height}`;
  const { distill } = options;
  const start = model === undefined
    ? "from scratch"
    : distill
    ? `to ${distill.steps} steps of ${basename(model)}'s many`
    : `from ${basename(model)}`;
  return {
    ...far,
    name: basename(output),
    description: `${distill ? "Distilled" : "Trained"} with far, ${start}, on ${
      clips.map((clip) => basename(clip)).join(", ")
    }.`,
    fps: fps ?? (dataFacts.fps && dataFacts.fps / (options.interval ?? 1)) ??
      (typeof far.fps === "number" ? far.fps : 8),
    ...(names && { [namesOf(sizes)]: [...names] }),
    ...roundingsOf(origin, options),
    defaults: {
      ...{ steps: 8, guidance: 1, ...defaults },
      ...(distill && { steps: distill.steps, guidance: 1 }),
    },
  };
}
