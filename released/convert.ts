/** Makes a model folder from released checkpoints or your own. */
import { basename, dirname, join, resolve } from "node:path";
import {
  autoencoderShapes,
  checkedConfig,
  type Shapes,
  transformerShapes,
} from "./architecture.ts";
import { parseAutoencoderConfig } from "../model/autoencoder_config.ts";
import { parseTransformerConfig } from "../model/config.ts";
import { checkChannels } from "../model/model.ts";
import type { NoiseSchedule } from "../model/scheduler.ts";
import { isFile } from "../files/file_source.ts";
import { openCheckpoint } from "../weights/open_checkpoint.ts";
import {
  checkPart,
  convertPart,
  type PartReport,
  sourceBytes,
  targetBytes,
  type TargetDtype,
} from "./convert_part.ts";
import { copyFiles } from "../files/copy_files.ts";
import { CheckpointError, quote } from "../files/errors.ts";
import { writeWhole } from "../files/atomic_file.ts";
import { checkSpace } from "../files/folders.ts";
import { digestFile, sha256 } from "../files/hash_file.ts";
import type { JsonObject } from "../files/json.ts";
import {
  configText,
  modelIndex,
  schedulerConfig,
  transformerConfig,
  vaeConfig,
} from "./model_files.ts";
import { addLora, type LoraOptions } from "../weights/lora.ts";
import { LoraFile, loraFiles } from "../weights/lora_file.ts";
import { type OpenWeights, openWeights } from "../weights/open_weights.ts";
import { autoencoderConfig, type Preset, presetConfig, presetFarJson } from "./presets.ts";
import { readJson } from "../files/read_json.ts";
import { recognise } from "./recognise.ts";
import type { StateDictChoice } from "../weights/state_dict.ts";
import { WorkFolder } from "../files/work_folder.ts";

/** The two parts of a model that have weights. */
export type PartName = "transformer" | "vae";

/** What to convert, and how. */
export interface ConvertOptions {
  /** .pth, .safetensors, index, or folder of the transformer. */
  readonly transformer: string;
  /** The same for the autoencoder. */
  readonly vae: string;
  /** Folder to write. */
  readonly output: string;
  /** Published configuration, which determines both configurations. */
  readonly preset?: Preset;
  /** `FAR_B` ... or `FAR`, `FAR_Long`. */
  readonly architecture?: string;
  /** Entries of transformer/config.json that differ from the architecture's. */
  readonly config?: JsonObject;
  /** Entries of vae/config.json that differ from the autoencoder's. */
  readonly vaeConfig?: JsonObject;
  /** Adapters that are merged into the transformer's weights. */
  readonly lora?: LoraOptions;
  /** far.json (the preset's). */
  readonly far?: JsonObject;
  /** How the model spaces its noise levels (evenly). */
  readonly schedule?: NoiseSchedule;
  /** Folder of start clips to copy. */
  readonly clips?: string;
  /** Type in which floats are written (keep). */
  readonly dtype?: TargetDtype;
  /** Converts weights with NaN or infinity too. */
  readonly allowNonFinite?: boolean;
  /** Replaces an existing folder. */
  readonly overwrite?: boolean;
  /** Which state dict of a PyTorch checkpoint to use. */
  readonly stateDict?: StateDictChoice;
  /** Called with bytes of the sources done and in total. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops the conversion. */
  readonly signal?: AbortSignal;
}

/** What was written. */
export interface ConvertReport {
  /** The folder written. */
  readonly output: string;
  /** Report on the transformer. */
  readonly transformer: PartReport;
  /** Report on the autoencoder. */
  readonly vae: PartReport;
  /** Notes for the user: which copy was used, what was assumed, resumed or refused. */
  readonly notes: readonly string[];
}

interface Part {
  readonly name: PartName;
  readonly weights: OpenWeights;
  readonly config: JsonObject;
  readonly shapes: Shapes;
}

/** A report, or its record in a journal. */
type Recorded = PartReport & JsonObject;

const WEIGHTS = "diffusion_pytorch_model.safetensors";

/**
 * Converts a transformer and an autoencoder to a model folder. The folder appears when it is
 * complete; after an interruption, finished parts are kept.
 * @throws {CheckpointError} something does not fit; if possible before anything is written
 */
export async function convertModel(options: ConvertOptions): Promise<ConvertReport> {
  const notes: string[] = [];
  using opened = new DisposableStack();
  const parts: Part[] = [];
  for (const name of ["transformer", "vae"] as const) {
    const weights = await openWeights(options[name], options.stateDict);
    opened.use(weights.checkpoint);
    parts.push(await describePart(name, weights, options, notes));
  }
  const [transformer, vae] = parts.map(({ config }) => config);
  checkedConfig(() =>
    checkChannels(parseTransformerConfig(transformer!), parseAutoencoderConfig(vae!))
  );
  for (const { weights, shapes } of parts) checkPart(weights.checkpoint, shapes);
  if (options.lora) {
    const lora = opened.use(await LoraFile.open(options.lora.path));
    const { weights } = parts[0]!;
    const checkpoint = addLora(weights.checkpoint, lora, options.lora.scale);
    parts[0] = { ...parts[0]!, weights: { ...weights, checkpoint } };
  }
  const fingerprint = await fingerprintOf(options, parts);
  await using folder = await WorkFolder.open(options.output, fingerprint, options.overwrite);
  return await writeModel(options, folder, parts, notes);
}

async function describePart(
  name: PartName,
  weights: OpenWeights,
  options: ConvertOptions,
  notes: string[],
): Promise<Part> {
  notes.push(...sourceNotes(name, options[name], weights));
  const { preset, architecture } = options;
  const find = (check: (config: JsonObject) => unknown) =>
    findConfig(options[name], weights, check, notes);
  if (name === "vae") {
    const known = preset ? autoencoderConfig(preset.vae) : options.vaeConfig;
    const config = vaeConfig(known ?? await find(parseAutoencoderConfig));
    return { name, weights, config, shapes: autoencoderShapes(config) };
  }
  const known = preset ? presetConfig(preset) : options.config ?? (architecture && {});
  const found = known || await find(parseTransformerConfig);
  const config = transformerConfig(preset?.architecture ?? architecture, found);
  return { name, weights, config, shapes: transformerShapes(config) };
}

/** Notes on which of several files or copies was used. */
function sourceNotes(part: PartName, given: string, { file, notes }: OpenWeights): string[] {
  const taken = file === given ? [] : [`took ${quote(file)}`];
  return [...taken, ...notes].map((note) => `${part}: ${note}`);
}

/**
 * The config.json next to the weights, or else what their shapes show.
 * @param check the model's own parser: nothing is assumed in place of missing entries
 */
async function findConfig(
  path: string,
  { checkpoint, file }: OpenWeights,
  check: (config: JsonObject) => unknown,
  notes: string[],
): Promise<JsonObject> {
  const beside = join(path, "config.json");
  if (await isFile(beside)) {
    const config = await readJson(beside);
    checkedConfig(() => check(config));
    return config;
  }
  const shapes = checkpoint.names.map((name) => [name, checkpoint.info(name)!.shape] as const);
  const found = recognise(new Map(shapes));
  if (!found) {
    throw new CheckpointError(
      `Cannot tell the architecture of ${quote(file)} from its shapes: name a preset or give its ` +
        `configuration`,
      { file, reason: "BadConfig" },
    );
  }
  const what = found.name ?? found.config._class_name;
  const assumed = found.assumed.map((name) =>
    name in found.config ? `${name} ${JSON.stringify(found.config[name])}` : name
  );
  const part = found.kind === "transformer" ? "transformer" : "vae";
  notes.push(`${part}: recognised as ${what} by its shapes; assumed ${assumed.join(", ")}`);
  return found.config;
}

async function writeModel(
  options: ConvertOptions,
  folder: WorkFolder,
  parts: readonly Part[],
  notes: string[],
): Promise<ConvertReport> {
  const needed = parts.filter(({ name }) => !folder.finished(name))
    .reduce((sum, part) => sum + targetOf(part, options), 0);
  await checkSpace(dirname(folder.path), 1.01 * needed, `Cannot write ${quote(options.output)}`);
  const total = parts.reduce((sum, part) => sum + sourceOf(part), 0);
  let before = 0;
  const reports = new Map<PartName, PartReport>();
  for (const part of parts) {
    const onProgress = (done: number) => options.onProgress?.(before + done, total);
    reports.set(part.name, await writePart({ ...options, onProgress }, folder, part, notes));
    before += sourceOf(part);
    options.onProgress?.(before, total);
  }
  const [transformer] = parts;
  await writeWhole(
    join(folder.path, "model_index.json"),
    configText(modelIndex(transformer!.config)),
  );
  await Deno.mkdir(join(folder.path, "scheduler"), { recursive: true });
  const scheduler = join(folder.path, "scheduler", "scheduler_config.json");
  await writeWhole(scheduler, configText(schedulerConfig(options.schedule)));
  const far = options.far ?? (options.preset ? presetFarJson(options.preset) : undefined);
  const name = basename(resolve(options.output));
  await writeWhole(join(folder.path, "far.json"), configText(far ?? { name }));
  if (options.clips !== undefined) await copyFiles(options.clips, join(folder.path, "clips"));
  await folder.commit();
  return {
    output: options.output,
    transformer: reports.get("transformer")!,
    vae: reports.get("vae")!,
    notes,
  };
}

function sourceOf({ weights, shapes }: Part): number {
  return sourceBytes(weights.checkpoint, shapes);
}

function targetOf({ weights, shapes }: Part, { dtype }: ConvertOptions): number {
  return targetBytes(weights.checkpoint, shapes, dtype);
}

async function writePart(
  options: ConvertOptions,
  folder: WorkFolder,
  { name, weights, config, shapes }: Part,
  notes: string[],
): Promise<PartReport> {
  const target = join(folder.path, name);
  const file = join(target, WEIGHTS);
  await Deno.mkdir(target, { recursive: true });
  await writeWhole(join(target, "config.json"), configText(config));
  const finished = folder.finished(name) as Recorded | undefined;
  if (finished && await isWhole(file, finished)) {
    notes.push(`${name}: kept from the run before`);
    return finished;
  }
  const report = await convertPart(weights.checkpoint, shapes, file, options);
  await verify(file, shapes);
  await folder.record(name, JSON.parse(JSON.stringify(report)));
  return report;
}

async function isWhole(file: string, { bytes, sha256 }: PartReport): Promise<boolean> {
  const size = await Deno.stat(file).then((stat) => stat.size, () => -1);
  return size === bytes && (await digestFile(file)).sha256 === sha256;
}

/** Reads the written file again in the way the model's loader does. */
async function verify(file: string, shapes: Shapes): Promise<void> {
  using written = await openCheckpoint(file);
  checkPart(written, shapes);
}

/** Same inputs and options, same fingerprint: only then leftovers are reused. */
async function fingerprintOf(options: ConvertOptions, parts: readonly Part[]): Promise<string> {
  const { dtype, allowNonFinite, stateDict, lora } = options;
  const files: JsonObject[] = [];
  const add = async (file: string, config: JsonObject) => {
    const { size, mtime } = await Deno.stat(file);
    files.push({ file: resolve(file), size, mtime: mtime?.getTime() ?? null, config });
  };
  for (const { weights, config } of parts) await add(weights.file, config);
  for (const file of lora ? await loraFiles(lora.path) : []) {
    await add(file, { scale: lora!.scale ?? 1 });
  }
  const text = JSON.stringify({ dtype, allowNonFinite, stateDict, files });
  return sha256(text);
}
