/** Removes pulled models, and says how much of the disk they take. */
import { lstat, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { isFile } from "../files/file_source.ts";
import { HubCache } from "../hub/cache.ts";
import { parseTarget } from "../hub/names.ts";
import type { HubSettings } from "../hub/settings.ts";
import { HUB_REPOSITORY, type Preset, PRESETS } from "./presets.ts";
import { presetFolder } from "./pull.ts";

/** What a model has on the disk. */
export interface ModelFiles {
  /** Files and folders that are this model's alone. */
  readonly paths: readonly string[];
  /** Bytes in them. */
  readonly bytes: number;
}

/**
 * What can go with a model: the converted folder and the downloaded checkpoints of a released one,
 * but for those that another converted model was made of; the folder of a repository in the cache.
 * @param name of a released model, or `owner/name`
 * @returns nothing where it is not on this machine
 */
export async function modelFiles(name: string, settings: HubSettings): Promise<ModelFiles> {
  const preset = PRESETS.find((preset) => preset.name === name);
  const paths = preset
    ? await presetFiles(preset, settings)
    : [new HubCache(settings, parseTarget(name).repository).path];
  const there: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    const found = await lstat(path).catch(() => undefined);
    if (!found) continue;
    there.push(path);
    if (found.isDirectory()) bytes += await ownBytes(path);
    else if (found.isFile()) bytes += found.size;
  }
  return { paths: there, bytes };
}

async function presetFiles(preset: Preset, settings: HubSettings): Promise<string[]> {
  const folder = presetFolder(preset, settings);
  const cache = new HubCache(settings, HUB_REPOSITORY);
  const commit = await cache.commitOf("main");
  if (commit === undefined) return [folder];
  const needed = await filesInUse(PRESETS.filter((other) => other !== preset), settings);
  const paths = [folder];
  for (const file of [preset.transformerFile, preset.vaeFile]) {
    if (needed.has(file)) continue;
    const link = await cache.find(commit, file);
    if (link === undefined) continue;
    const blob = await realpath(link);
    if (!relative(await realpath(cache.path), blob).startsWith("..")) paths.push(blob);
    if (blob !== link) paths.push(link);
  }
  return paths;
}

/** Checkpoints that converted models were made of. */
async function filesInUse(
  presets: readonly Preset[],
  settings: HubSettings,
): Promise<ReadonlySet<string>> {
  const files = new Set<string>();
  for (const preset of presets) {
    if (!await isFile(join(presetFolder(preset, settings), "model_index.json"))) continue;
    files.add(preset.transformerFile).add(preset.vaeFile);
  }
  return files;
}

/** Bytes of a folder, what its links lead to apart. */
async function ownBytes(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) bytes += await ownBytes(path);
    else if (isFile) bytes += (await Deno.stat(path)).size;
  }
  return bytes;
}

/** Removes what {@linkcode modelFiles} found. */
export async function removeFiles({ paths }: ModelFiles): Promise<void> {
  for (const path of paths) await Deno.remove(path, { recursive: true });
}

/**
 * Bytes of all converted models, all downloads of the released ones, and these repositories; other
 * programs' files in the hub's cache are not counted.
 */
export async function diskUse(
  repositories: readonly string[],
  settings: HubSettings,
): Promise<number> {
  const caches = [HUB_REPOSITORY, ...repositories].map((repository) =>
    new HubCache(settings, parseTarget(repository).repository).path
  );
  const folders = [settings.models, ...new Set(caches)];
  const all = await Promise.all(folders.map((folder) => ownBytes(folder).catch(() => 0)));
  return all.reduce((sum, bytes) => sum + bytes, 0);
}
