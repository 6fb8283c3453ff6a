/** Pulls files, model folders and released models from a hub into its cache. */
import { dirname, join } from "node:path";
import { isFile } from "../files/file_source.ts";
import { convertModel, type ConvertReport } from "./convert.ts";
import type { TargetDtype } from "./convert_part.ts";
import { CheckpointError, quote } from "../files/errors.ts";
import { makeFolder } from "../files/folders.ts";
import { digestFile } from "../files/hash_file.ts";
import type { HubTarget } from "../hub/names.ts";
import {
  HubRepository,
  type PlannedFile,
  type PulledFile,
  type PullOptions,
  type Wanted,
} from "../hub/repository.ts";
import type { HubSettings } from "../hub/settings.ts";
import { checkModelFolder } from "../weights/model_folder.ts";
import { HUB_REPOSITORY, type Preset } from "./presets.ts";

export type { PlannedFile, PulledFile, PullOptions } from "../hub/repository.ts";

/** Result of a pull. */
export interface Pulled {
  /** As `owner/name`. */
  readonly repository: string;
  /** The revision that was fetched. */
  readonly commit: string;
  /** The file asked for, or the folder of the snapshot. */
  readonly path: string;
  /** Files in the cache. */
  readonly files: readonly PulledFile[];
}

/** Files of a model folder; other files of a repository are not pulled. */
const MODEL_FILES = new RegExp(
  [
    /^(model_index\.json|far\.json|README\.md)$/,
    /^(transformer|vae|scheduler)\/[^/]+\.(json|safetensors)$/,
    /^clips\/[^/]+\.(npz|npy|mp4|webm|mov|mkv|gif|y4m)$/, // start clips for far play
  ].map(({ source }) => source).join("|"),
);

/**
 * Pulls one file, or a model folder.
 * @throws {CheckpointError} Hub, BadDownload, or the disk fails
 */
export async function pull(target: HubTarget, options: PullOptions): Promise<Pulled> {
  const { repository, file } = target;
  const files = file === undefined ? undefined : [file];
  const hub = new HubRepository(repository, options);
  const { commit, pulled } = await hub.pull(target.revision, wanted(repository, files));
  const path = file === undefined ? hub.cache.snapshot(commit) : pulled[0]!.path;
  return { repository, commit, path, files: pulled };
}

/** A released model, pulled and converted. */
export interface PulledPreset {
  /** Folder of the model. */
  readonly path: string;
  /** Report of the conversion; undefined if it was already converted. */
  readonly report: ConvertReport | undefined;
}

/** How a released model is pulled. */
export interface PullPresetOptions extends PullOptions {
  /** Type in which floats are written (as stored). */
  readonly dtype?: TargetDtype;
  /** Converts again even if it is already converted. */
  readonly overwrite?: boolean;
  /** Called and awaited when everything is fetched. */
  readonly onFetched?: () => Promise<void>;
  /** Called with bytes converted and in total. */
  readonly onConvert?: (done: number, total: number) => void;
}

/**
 * Pulls a released model's two checkpoints and converts them.
 * @throws {CheckpointError} Hub, BadDownload, or converting fails
 */
export async function pullPreset(
  preset: Preset,
  options: PullPresetOptions,
): Promise<PulledPreset> {
  const path = presetFolder(preset, options.settings);
  const isThere = await isFile(join(path, "model_index.json"));
  if (isThere && !options.overwrite) return { path, report: undefined };
  const hub = new HubRepository(HUB_REPOSITORY, options);
  const names = [preset.transformerFile, preset.vaeFile];
  const { pulled } = await hub.pull("main", wanted(HUB_REPOSITORY, names));
  await options.onFetched?.();
  options.onNote?.(`converting to ${quote(path)}`);
  await makeFolder(dirname(path));
  const report = await convertModel({
    transformer: pulled[0]!.path,
    vae: pulled[1]!.path,
    output: path,
    preset,
    dtype: options.dtype,
    overwrite: options.overwrite,
    onProgress: options.onConvert,
    signal: options.signal,
  });
  return { path, report };
}

/** Folder of a converted released model. */
export function presetFolder(preset: Preset, { models }: HubSettings): string {
  return join(models, preset.name);
}

/**
 * Lists what {@linkcode pull} would fetch.
 * @param files several files of the target's repository, instead of its own
 * @throws {CheckpointError} Hub
 */
export async function planPull(
  { repository, file, revision }: HubTarget,
  options: PullOptions,
  files: readonly string[] | undefined = file === undefined ? undefined : [file],
): Promise<PlannedFile[]> {
  const hub = new HubRepository(repository, options);
  return await hub.plan(revision, wanted(repository, files));
}

/** These files, or those of a model folder if none are named. */
function wanted(repository: string, names: readonly string[] | undefined): Wanted {
  const choose = (all: readonly string[]) => names ? [...names] : modelFiles(all, repository);
  return { choose, names, checkSnapshot: checkModelFolder, checkFile: checkDigits };
}

/** @throws {CheckpointError} it is not a model folder */
function modelFiles(all: readonly string[], repository: string): string[] {
  if (all.includes("model_index.json")) {
    return all.filter((name) => MODEL_FILES.test(name)).sort();
  }
  const some = all.filter((name) => /\.(pth|safetensors)$/.test(name)).slice(0, 3);
  throw new CheckpointError(
    `Cannot pull ${quote(repository)}: it is not a model folder (it has no model_index.json)` +
      (some.length ? `; name one of its files, such as ${quote(some[0]!)}` : ""),
    { reason: "Hub" },
  );
}

/** Names of FAR's checkpoints contain the first 8 digits of their sha256. */
async function checkDigits(blob: string, name: string): Promise<void> {
  const digits = /-([0-9a-f]{8})\.pth$/.exec(name)?.[1];
  if (digits === undefined) return;
  const sha256 = (await digestFile(blob)).sha256;
  if (sha256.startsWith(digits)) return;
  throw new CheckpointError(
    `Cannot use ${quote(name)}: its sha256 begins with ${sha256.slice(0, 8)}, but its name says ` +
      `${digits}; remove ${quote(blob)} and pull it again`,
    { reason: "BadDownload", file: blob },
  );
}
