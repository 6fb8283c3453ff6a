/** Which models are on this machine, and which released ones can be pulled. */
import { join } from "node:path";
import { autoencoderShapes, type Shapes, transformerShapes } from "./architecture.ts";
import { CheckpointError } from "../files/errors.ts";
import { isFile } from "../files/file_source.ts";
import { presetFolder } from "./pull.ts";
import { HubCache } from "../hub/cache.ts";
import { parseTarget } from "../hub/names.ts";
import type { HubSettings } from "../hub/settings.ts";
import { parseConfigs } from "../model/model.ts";
import { checkModelFolder, openModelFolder } from "../weights/model_folder.ts";
import {
  autoencoderConfig,
  HUB_REPOSITORY,
  type Preset,
  presetConfig,
  presetPixels,
  PRESETS,
} from "./presets.ts";
import { elements } from "../weights/tensor_file.ts";

/** A model on this machine. */
export interface LocalModel {
  /** The name by which a model is asked for. */
  readonly name: string;
  /** A released preset, or another repository. */
  readonly source: "released" | "repository";
  /** Its folder. */
  readonly path: string;
  /** Bytes of its files. */
  readonly bytes: number;
  /** Why it cannot be used, if it has a configuration that is not supported. */
  readonly problem?: string;
}

/** A published configuration: what it needs and whether its files are here. */
export interface PresetState {
  /** Name in the released test configurations. */
  readonly name: string;
  /** Which of the paper's tests. */
  readonly task: Preset["task"];
  /** Transformer's sizes. */
  readonly architecture: string;
  /** Pixels across and down. */
  readonly pixels: number;
  /** Frames that the published test gives and generates. */
  readonly contextFrames: number;
  /** Frames that it generates. */
  readonly frames: number;
  /** Guidance of the published test. */
  readonly guidance: number;
  /** Frames the transformer was trained to see at full resolution. */
  readonly window: number;
  /** What each video or frame is conditioned on. */
  readonly condition: { readonly kind: "none" | "label" | "action"; readonly count: number };
  /** Number of weights in transformer and autoencoder. */
  readonly parameters: { readonly transformer: number; readonly vae: number };
  /** Converted, fetched but not converted, or neither. */
  readonly state: "ready" | "downloaded" | "not pulled";
  /** Folder of the converted model, if ready. */
  readonly path: string | undefined;
}

/** Every published configuration, with its state on this machine. */
export async function presetStates(settings: HubSettings): Promise<PresetState[]> {
  return await Promise.all(PRESETS.map((preset) => presetState(preset, settings)));
}

async function presetState(preset: Preset, settings: HubSettings): Promise<PresetState> {
  const config = presetConfig(preset);
  const path = await modelAt(presetFolder(preset, settings));
  const transformer = countValues(transformerShapes(config));
  const vae = countValues(autoencoderShapes(autoencoderConfig(preset.vae)));
  return {
    name: preset.name,
    task: preset.task,
    architecture: preset.architecture,
    pixels: presetPixels(preset),
    contextFrames: preset.context,
    frames: preset.frames,
    guidance: preset.guidance,
    window: config.short_term_ctx_winsize as number,
    condition: conditionOf(preset),
    parameters: { transformer, vae },
    state: path ? "ready" : await isDownloaded(preset, settings) ? "downloaded" : "not pulled",
    path,
  };
}

function conditionOf({ config }: Preset): PresetState["condition"] {
  const condition = config?.condition_cfg as Record<string, unknown> | undefined;
  if (condition?.type === "action") {
    return { kind: "action", count: condition.num_action_classes as number };
  }
  if (condition?.type === "label") return { kind: "label", count: condition.num_classes as number };
  return { kind: "none", count: 0 };
}

async function isDownloaded(preset: Preset, settings: HubSettings): Promise<boolean> {
  const cache = new HubCache(settings, HUB_REPOSITORY);
  const commit = await cache.commitOf("main");
  if (!commit) return false;
  const files = [preset.transformerFile, preset.vaeFile];
  const found = await Promise.all(files.map((file) => cache.find(commit, file)));
  return found.every((path) => path !== undefined);
}

/** Values of all tensors of these shapes. */
function countValues(shapes: Shapes): number {
  return [...shapes.values()].reduce((sum, shape) => sum + elements(shape), 0);
}

/** Models on this machine by name: converted released ones, and pulled repositories. */
export async function localModels(settings: HubSettings): Promise<LocalModel[]> {
  const models: LocalModel[] = [];
  for (const preset of PRESETS) {
    const path = await modelAt(presetFolder(preset, settings));
    if (!path) continue;
    const bytes = await folderBytes(path);
    const problem = await configProblem(path);
    models.push({ name: preset.name, source: "released", path, bytes, problem });
  }
  for (const name of (await folderNames(settings.cache)).sort()) {
    const [, owner, repository] = /^models--(.+?)--(.+)$/.exec(name) ?? [];
    if (!owner || !repository) continue;
    const path = await findModel(`${owner}/${repository}`, settings);
    if (!path || !await isComplete(path)) continue;
    const bytes = await folderBytes(path);
    const problem = await configProblem(path);
    models.push({ name: `${owner}/${repository}`, source: "repository", path, bytes, problem });
  }
  return models;
}

/** Whether a model's files are all here; another tool may have fetched only some of them. */
async function isComplete(path: string): Promise<boolean> {
  try {
    await checkModelFolder(path);
    return true;
  } catch (error) {
    return error instanceof CheckpointError && error.reason !== "NotFound";
  }
}

/** Why the configurations of a model cannot be used, in the words in which it would be refused. */
async function configProblem(path: string): Promise<string | undefined> {
  try {
    parseConfigs(await openModelFolder(path));
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * The folder of a model by name: a released configuration, or `owner/name[@revision]`.
 * @returns undefined if there is none of that name on this machine
 */
export async function findModel(name: string, settings: HubSettings): Promise<string | undefined> {
  const preset = PRESETS.find((preset) => preset.name === name);
  if (preset) return await modelAt(presetFolder(preset, settings));
  let target;
  try {
    target = parseTarget(name);
  } catch {
    return undefined; // not the name of a repository
  }
  const cache = new HubCache(settings, target.repository);
  const commit = await cache.commitOf(target.revision);
  return commit === undefined ? undefined : await modelAt(cache.snapshot(commit));
}

async function modelAt(path: string): Promise<string | undefined> {
  return await isFile(join(path, "model_index.json")) ? path : undefined;
}

async function folderNames(path: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch {
    return []; // no cache yet
  }
}

/** Bytes of the files in a folder, links followed. */
export async function folderBytes(path: string): Promise<number> {
  let bytes = 0;
  for await (const entry of Deno.readDir(path)) {
    const inside = join(path, entry.name);
    if (entry.isDirectory) bytes += await folderBytes(inside);
    else bytes += await Deno.stat(inside).then((stat) => stat.size, () => 0);
  }
  return bytes;
}
