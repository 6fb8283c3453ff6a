import type { Gpu } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import { type DeviceProfile, tensorKind } from "../gpu/tuning.ts";
import { type Checkpoint, isBatchCount } from "../weights/checkpoint.ts";
import { CheckpointError, printable, quote } from "../files/errors.ts";
import { isObject, isTexts } from "../files/json.ts";
import type { ModelFolder } from "../weights/model_folder.ts";
import { type AutoencoderWeights, loadAutoencoder } from "./autoencoder.ts";
import { type AutoencoderSizes, parseAutoencoderConfig } from "./autoencoder_config.ts";
import { type Condition, type FarSizes, parseTransformerConfig } from "./config.ts";
import { type Rounding, ROUNDINGS } from "./embeddings.ts";
import { type FillOptions, Loader, type WeightSource } from "./loader.ts";
import type { NoiseSchedule } from "./scheduler.ts";
import { parseSchedulerConfig } from "./scheduler_config.ts";
import { isUnusedByInference, loadTransformer, type TransformerWeights } from "./transformer.ts";

/** Facts about a model from far.json and its configurations. */
export interface ModelInfo {
  /** The model's folder. */
  readonly path: string;
  /** From far.json, or the name of the folder. */
  readonly name: string;
  /** From far.json. */
  readonly description: string | undefined;
  /** From far.json. */
  readonly license: string | undefined;
  /** Frames per second of its videos (8). */
  readonly fps: number;
  /** Names by index, if far.json has them. */
  readonly actions: readonly string[] | undefined;
  /** Names by index, if far.json has them. */
  readonly labels: readonly string[] | undefined;
  /** Options of generate that the model suggests. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** What the model takes besides pictures: actions, a label or nothing. */
  readonly condition: Condition;
  /** Channels of a frame's latents. */
  readonly channels: number;
  /** Pixels per latent element along each axis. */
  readonly compression: number;
  /** Width and height of a picture must be multiples of this. */
  readonly multiple: number;
  /** Number of weights in transformer and autoencoder. */
  readonly parameters: number;
  /** True for FAR_Long, which keeps long-term context in larger patches. */
  readonly long: boolean;
  /** Frames the transformer was trained to see at full resolution. */
  readonly window: number;
  /** How frame positions were rounded in training. */
  readonly positions: Rounding;
  /** How timesteps were rounded in training. */
  readonly timesteps: Rounding;
  /** How the noise levels of the steps are spaced. */
  readonly schedule: NoiseSchedule;
  /** How live worlds treat the window of this model, if that was checked. */
  readonly windowCache: WindowCache;
}

/** Whether FAR_Long encodes its window again for each frame or keeps its keys and values. */
export type WindowCache = "encode" | "reuse";

/**
 * A model with open files, whose configurations and headers are read and checked against each
 * other.
 */
export interface OpenModel extends Disposable {
  /** What it is. */
  readonly info: ModelInfo;
  /** Of the transformer. */
  readonly sizes: FarSizes;
  /** Of the autoencoder. */
  readonly vae: AutoencoderSizes;
  /** The files of weights. */
  readonly checkpoints: {
    /** Absent where only the autoencoder was opened. */
    readonly transformer?: Checkpoint;
    readonly vae: Checkpoint;
  };
}

/** A model whose weights are declared: sizes, names and memory are known, but nothing is loaded. */
export interface DeclaredModel {
  readonly info: ModelInfo;
  readonly sizes: FarSizes;
  readonly vae: AutoencoderSizes;
  readonly transformer: TransformerWeights;
  readonly autoencoder: AutoencoderWeights;
  readonly dtype: "f32" | "f16";
  /** Which parts are filled (all). */
  readonly parts?: ModelParts;
  readonly memory: Memory;
  /** Allocates the buffers and reads the weights into them. */
  fill(gpu: Gpu, options?: FillOptions): Promise<void>;
}

/** `autoencoder` can only encode and decode; the transformer stays in its file. */
export type ModelParts = "all" | "autoencoder";

export interface DeclareOptions {
  readonly dtype: "f32" | "f16";
  /** Which weights are loaded (all). */
  readonly parts?: ModelParts;
  /** Overrides slope_scale (FlexRoPE). */
  readonly slope?: number;
  /** The device it will run on, which decides the kind of memory for weights (a GPU). */
  readonly device?: DeviceProfile;
}

/** In place of a transformer that is not read: any names and shapes will do. */
const UNREAD: WeightSource = {
  expect: (name, shape) => ({ name, shape, dtype: "F32", offset: 0, bytes: 0 }),
  readRange: () => Promise.reject(new RangeError("The transformer was not read")),
};

/**
 * Reads the configurations of a model folder.
 * @throws {TypeError} names the entry that is not supported
 */
export function parseConfigs(
  folder: ModelFolder,
): Pick<OpenModel, "sizes" | "vae"> & Pick<ModelInfo, "schedule"> {
  const schedule = parseSchedulerConfig(folder.scheduler, folder.path);
  const sizes = parseTransformerConfig(folder.transformer.config);
  const vae = parseAutoencoderConfig(folder.vae.config);
  checkChannels(sizes, vae);
  return { sizes, vae, schedule };
}

/** @throws {TypeError} the autoencoder's latents are not those of the transformer */
export function checkChannels({ channels }: FarSizes, { latentChannels }: AutoencoderSizes): void {
  if (latentChannels === channels) return;
  throw new TypeError(
    `Cannot use this autoencoder: it makes ${latentChannels} latent channels, but the ` +
      `transformer takes ${channels}`,
  );
}

/**
 * Checks a model folder's configurations and reads the headers of its weights.
 * @throws {CheckpointError} a file is missing or malformed; lists all wrong names and shapes
 * @throws {TypeError} names a configuration entry that is not supported
 * @internal
 */
export async function openModel(folder: ModelFolder, parts?: ModelParts): Promise<OpenModel> {
  const { sizes, vae, schedule } = parseConfigs(folder);
  const opened: Checkpoint[] = [];
  const open = async (part: ModelFolder["vae"]) => {
    const checkpoint = await part.open();
    opened.push(checkpoint);
    return checkpoint;
  };
  try {
    const checkpoints = {
      ...(parts !== "autoencoder" && { transformer: await open(folder.transformer) }),
      vae: await open(folder.vae),
    };
    if (checkpoints.transformer) {
      loadTransformer(new Loader(checkpoints.transformer, new Memory(), "f32"), sizes);
    }
    loadAutoencoder(new Loader(checkpoints.vae, new Memory(), "f32"), vae);
    finishAll([
      () => checkpoints.transformer?.finish(isUnusedByInference),
      () => checkpoints.vae.finish(isBatchCount),
    ]);
    const parameters = countParameters(opened);
    const info = { ...describeModel(folder, sizes, vae.compression, parameters), schedule };
    return { info, sizes, vae, checkpoints, [Symbol.dispose]: () => closeAll(opened) };
  } catch (error) {
    closeAll(opened);
    throw error;
  }
}

/** Declares the weights of an open model. @internal */
export function declareModel(
  { info, sizes, vae, checkpoints }: OpenModel,
  { dtype, parts, slope, device }: DeclareOptions,
): DeclaredModel {
  const memory = new Memory();
  const kind = device && tensorKind(device);
  const isWhole = parts !== "autoencoder" && checkpoints.transformer !== undefined;
  const transformerMemory = isWhole ? memory : new Memory();
  const far = new Loader(checkpoints.transformer ?? UNREAD, transformerMemory, dtype, kind);
  const dcae = new Loader(checkpoints.vae, memory, dtype, kind);
  const flexible = { ...sizes, slope: slope ?? sizes.slope };
  return {
    info,
    sizes: flexible,
    vae,
    transformer: loadTransformer(far, flexible),
    autoencoder: loadAutoencoder(dcae, vae),
    dtype,
    parts: isWhole ? parts : "autoencoder",
    memory,
    fill: (gpu, fill) => fillAll(isWhole ? [far, dcae] : [dcae], gpu, fill),
  };
}

async function fillAll(
  loaders: readonly Loader[],
  gpu: Gpu,
  { onProgress, signal }: FillOptions = {},
): Promise<void> {
  const total = loaders.reduce((sum, loader) => sum + loader.fileBytes, 0);
  let before = 0;
  for (const loader of loaders) {
    await loader.fill(gpu, { signal, onProgress: (done) => onProgress?.(before + done, total) });
    before += loader.fileBytes;
  }
}

function closeAll(checkpoints: Checkpoint[]): void {
  for (const checkpoint of checkpoints) checkpoint.close();
}

/** Runs all checks before throwing, so that one run reports everything. */
function finishAll(checks: (() => void)[]): void {
  const errors: CheckpointError[] = [];
  for (const check of checks) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 1) {
    const all = (name: "missing" | "unexpected" | "misshaped") => errors.flatMap((e) => e[name]);
    throw new CheckpointError(errors.map((error) => error.message).join("; "), {
      reason: "NamesAndShapes",
      missing: all("missing"),
      unexpected: all("unexpected"),
      misshaped: all("misshaped"),
    });
  }
  if (errors[0]) throw errors[0];
}

function countParameters(checkpoints: readonly Checkpoint[]): number {
  let count = 0;
  for (const checkpoint of checkpoints) {
    for (const name of checkpoint.names) {
      count += checkpoint.info(name)!.shape.reduce((a, b) => a * b, 1);
    }
  }
  return count;
}

function describeModel(
  folder: ModelFolder,
  sizes: FarSizes,
  compression: number,
  parameters: number,
): Omit<ModelInfo, "schedule"> {
  const far = folder.far ?? {};
  // texts of a stranger, which are displayed
  const text = (value: unknown) => typeof value === "string" ? printable(value) : undefined;
  const names = (value: unknown) => isTexts(value) ? value.map(printable) : undefined;
  return {
    path: folder.path,
    name: text(far.name) ?? folder.path.split(/[\\/]/).filter(Boolean).at(-1) ?? "model",
    description: text(far.description),
    license: text(far.license),
    fps: typeof far.fps === "number" && far.fps > 0 ? far.fps : 8,
    actions: names(far.actions),
    labels: names(far.labels),
    defaults: isObject(far.defaults) ? far.defaults : {},
    condition: sizes.condition,
    channels: sizes.channels,
    compression,
    multiple: compression * (sizes.contextPatch ?? sizes.patch),
    parameters,
    long: sizes.contextPatch !== undefined,
    window: sizes.trainedWindow,
    positions: farWord(folder, "positions", ROUNDINGS),
    timesteps: farWord(folder, "timesteps", ROUNDINGS),
    windowCache: farWord(folder, "windowCache", ["encode", "reuse"]),
  };
}

/**
 * An entry of far.json that is one of several words, the first by default.
 * @throws {TypeError} another
 */
export function farWord<T extends string>(
  { path, far }: Pick<ModelFolder, "path" | "far">,
  name: string,
  words: readonly T[],
): T {
  const value = far?.[name] ?? words[0]!;
  const word = words.find((word) => word === value);
  if (word !== undefined) return word;
  throw new TypeError(
    `Cannot use model ${quote(path)}: "${name}" of its far.json must be ${words.join(" or ")}, ` +
      `not ${printable(JSON.stringify(value))}`,
  );
}
