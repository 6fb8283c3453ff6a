/** Pulls files, model folders and released models from a hub into its cache. */
import { dirname, join } from "node:path";
import { isFile } from "../files/byte_source.ts";
import { convertModel, type ConvertReport } from "./convert.ts";
import type { TargetDtype } from "./convert_part.ts";
import { CheckpointError, quote } from "../files/errors.ts";
import { checkSpace, makeFolder, sha256File } from "../files/file_sink.ts";
import { checkHash, HubCache } from "../hub/cache.ts";
import { download, statusError } from "../hub/download.ts";
import { type FetchTools, hubApiFetch, hubFetch, REAL_TOOLS } from "../hub/fetch.ts";
import { checkCommit, checkPath, type HubTarget, isCommit } from "../hub/names.ts";
import type { HubSettings } from "../hub/settings.ts";
import { checkModelFolder } from "../weights/model_folder.ts";
import { HUB_REPOSITORY, type Preset } from "./presets.ts";

/** How pulling goes. */
export interface PullOptions {
  /** Cache folder, endpoint, token. */
  readonly settings: HubSettings;
  /** The network, the clock and chance, for tests. */
  readonly tools?: FetchTools;
  /** Called with bytes that are there, of all that are wanted. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called with what the user should know. */
  readonly onNote?: (note: string) => void;
  /** Stops the download; what is there can be taken up again. */
  readonly signal?: AbortSignal;
}

/** What was pulled, and where it is. */
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

/** One file in the cache. */
export interface PulledFile {
  /** Its path in the repository. */
  readonly name: string;
  /** Where it is. */
  readonly path: string;
  /** Its size. */
  readonly bytes: number;
}

/** A file as the hub lists it, checked. */
interface Listed {
  readonly name: string;
  readonly size: number;
  readonly hash: string;
}

/** What belongs to a model folder; anything else in a repository is left there. */
const MODEL_FILES = new RegExp(
  [
    /^(model_index\.json|far\.json|README\.md)$/,
    /^(transformer|vae|scheduler)\/[^/]+\.(json|safetensors)$/,
    /^clips\/[^/]+\.(npz|npy|mp4|webm|mov|mkv|gif|y4m)$/, // what far play can begin with
  ].map(({ source }) => source).join("|"),
);

/**
 * Pulls one file, or a whole model folder.
 * @throws {CheckpointError} Hub, BadDownload, or the disk fails
 */
export async function pull(target: HubTarget, options: PullOptions): Promise<Pulled> {
  const { repository, file } = target;
  const files = file === undefined ? undefined : [file];
  const hub = new Hub(repository, options);
  const { commit, pulled } = await hub.pull(target.revision, files);
  const path = file === undefined ? hub.cache.snapshot(commit) : pulled[0]!.path;
  return { repository, commit, path, files: pulled };
}

/** A released model, pulled and converted. */
export interface PulledPreset {
  /** Folder of the model. */
  readonly path: string;
  /** What converting reported; undefined if it was there already. */
  readonly report: ConvertReport | undefined;
}

/** How a released model is pulled. */
export interface PullPresetOptions extends PullOptions {
  /** Type that floats are written in (as they are stored). */
  readonly dtype?: TargetDtype;
  /** Converts again what is converted already. */
  readonly overwrite?: boolean;
  /** Called when everything is fetched, and waited for. */
  readonly onFetched?: () => Promise<void>;
  /** Called with bytes that are converted, of all. */
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
  const hub = new Hub(HUB_REPOSITORY, options);
  const names = [preset.transformerFile, preset.vaeFile];
  const { pulled } = await hub.pull("main", names);
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

/** Where a released model is put when it is converted. */
export function presetFolder(preset: Preset, { models }: HubSettings): string {
  return join(models, preset.name);
}

/** A file that a pull would bring. */
export interface PlannedFile {
  /** Its path in the repository. */
  readonly name: string;
  /** Its size. */
  readonly bytes: number;
  /** Whether it is in the cache already. */
  readonly cached: boolean;
}

/**
 * Says what {@linkcode pull} would fetch.
 * @param files several files of the target's repository, in place of its own
 * @throws {CheckpointError} Hub
 */
export async function planPull(
  { repository, file, revision }: HubTarget,
  options: PullOptions,
  files: readonly string[] | undefined = file === undefined ? undefined : [file],
): Promise<PlannedFile[]> {
  return await new Hub(repository, options).plan(revision, files);
}

/** One repository of a hub. */
class Hub {
  readonly cache: HubCache;
  readonly #repository: string;
  readonly #options: PullOptions;
  readonly #tools: FetchTools;

  constructor(repository: string, options: PullOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#tools = options.tools ?? REAL_TOOLS;
    this.cache = new HubCache(options.settings, repository);
  }

  /** @param names files, or the model's if left out */
  async pull(
    revision: string,
    names: readonly string[] | undefined,
  ): Promise<{ commit: string; pulled: PulledFile[] }> {
    if (this.#options.settings.offline) {
      const local = await this.#local(revision, names);
      for (const file of local.pulled) await checkDigits(await Deno.realPath(file.path), file);
      return local;
    }
    const commit = await this.#commit(revision);
    const listed = await this.#list(commit, names);
    await this.#checkSpace(commit, listed);
    const total = listed.reduce((sum, { size }) => sum + size, 0);
    const pulled: PulledFile[] = [];
    let before = 0;
    for (const file of listed) {
      const onBytes = (bytes: number) => this.#options.onProgress?.(before + bytes, total);
      const path = await this.#file(commit, file, onBytes);
      before += file.size;
      this.#options.onProgress?.(before, total);
      pulled.push({ name: file.name, path, bytes: file.size });
    }
    await this.cache.setRef(revision, commit);
    return { commit, pulled };
  }

  async plan(revision: string, names: readonly string[] | undefined): Promise<PlannedFile[]> {
    if (this.#options.settings.offline) {
      const { pulled } = await this.#local(revision, names);
      return pulled.map(({ name, bytes }) => ({ name, bytes, cached: true }));
    }
    const listed = await this.#list(await this.#commit(revision), names);
    return await Promise.all(listed.map(async (file) => {
      const cached = await isWhole(this.cache.blob(file.hash), file);
      return { name: file.name, bytes: file.size, cached };
    }));
  }

  /** What is in the cache, without asking anybody. */
  async #local(
    revision: string,
    names: readonly string[] | undefined,
  ): Promise<{ commit: string; pulled: PulledFile[] }> {
    const commit = await this.cache.commitOf(revision);
    const wanted = names ?? (commit && await this.#localModel(commit)) ?? ["model_index.json"];
    const pulled: PulledFile[] = [];
    for (const name of wanted) {
      const path = commit && await this.cache.find(commit, name);
      if (!path) this.#notHere(`${this.#repository}/${name}`, "it is not in the cache");
      pulled.push({ name, path, bytes: (await Deno.stat(path)).size });
    }
    return { commit: commit!, pulled };
  }

  /**
   * Files of the model folder of a commit; undefined if there is none.
   * @throws {CheckpointError} only a part of it is there
   */
  async #localModel(commit: string): Promise<string[] | undefined> {
    if (!await this.cache.find(commit, "model_index.json")) return undefined;
    try {
      await checkModelFolder(this.cache.snapshot(commit));
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      this.#notHere(this.#repository, `only a part is in the cache (${error.message})`);
    }
    return this.#modelFiles(await this.cache.files(commit));
  }

  #notHere(what: string, why: string): never {
    throw new CheckpointError(
      `Cannot pull ${quote(what)}: ${why} and fetching is off (offline)`,
      { reason: "Hub" },
    );
  }

  /** The commit a revision is at: files are asked for by it, so all are of one state. */
  async #commit(revision: string): Promise<string> {
    if (isCommit(revision)) return revision;
    const { modelInfo } = await import("@huggingface/hub");
    const info = await this.#ask((api) =>
      modelInfo({ name: this.#repository, revision, additionalFields: ["sha"], ...api })
    );
    return checkCommit(info.sha);
  }

  async #list(commit: string, names: readonly string[] | undefined): Promise<Listed[]> {
    const { listFiles, pathsInfo } = await import("@huggingface/hub");
    const repo = { type: "model", name: this.#repository } as const;
    const entries = names
      ? await this.#ask((api) => pathsInfo({ repo, revision: commit, paths: [...names], ...api }))
      : await this.#ask((api) =>
        Array.fromAsync(listFiles({ repo, revision: commit, recursive: true, ...api }))
      );
    const found = new Map(
      entries.filter(({ type }) => type === "file").map((entry) => [entry.path, entry]),
    );
    const wanted = names ?? this.#modelFiles([...found.keys()]);
    return wanted.map((name) => {
      const entry = found.get(name);
      if (!entry) throw statusError(404, `${this.#repository}/${name}`);
      const size = entry.lfs?.size ?? entry.size;
      if (!Number.isSafeInteger(size) || size < 0) this.#malformed();
      return { name: checkPath(name), size, hash: checkHash(entry.lfs?.oid ?? entry.oid, name) };
    });
  }

  #modelFiles(all: string[]): string[] {
    if (all.includes("model_index.json")) {
      return all.filter((name) => typeof name === "string" && MODEL_FILES.test(name)).sort();
    }
    const some = all.filter((name) => /\.(pth|safetensors)$/.test(name)).slice(0, 3);
    throw new CheckpointError(
      `Cannot pull ${quote(this.#repository)}: it is no model folder (no model_index.json)` +
        (some.length ? `; name one of its files, such as ${quote(some[0]!)}` : ""),
      { reason: "Hub" },
    );
  }

  /** Runs a call of the hub's library and turns its errors into ours. */
  async #ask<T>(call: (api: { hubUrl: string; fetch: typeof fetch }) => Promise<T>): Promise<T> {
    const { settings, signal } = this.#options;
    const inner = hubApiFetch(settings, this.#tools);
    const { HubApiError } = await import("@huggingface/hub");
    try {
      return await call({
        hubUrl: settings.endpoint,
        fetch: (input, init) => inner(input, { ...init, signal }),
      });
    } catch (error) {
      if (error instanceof HubApiError) throw statusError(error.statusCode, this.#repository);
      if (error instanceof CheckpointError || signal?.aborted) throw error;
      if (error instanceof TypeError || error instanceof SyntaxError) this.#malformed(error);
      throw error;
    }
  }

  #malformed(cause?: unknown): never {
    throw new CheckpointError(
      `Cannot pull ${quote(this.#repository)}: the hub's answer is not understood`,
      { reason: "Hub", temporary: true, cause },
    );
  }

  /** A file in the commit's snapshot, fetched if its content isn't there. */
  async #file(commit: string, file: Listed, onBytes: (bytes: number) => void): Promise<string> {
    const { signal, onNote } = this.#options;
    const blob = this.cache.blob(file.hash);
    const waiting = () => onNote?.(`waiting: another process is pulling ${quote(file.name)}`);
    await this.cache.withLock(file.hash, signal, waiting, async () => {
      if (await isWhole(blob, file)) return;
      await Deno.remove(blob).catch(() => {}); // of another length: some tool was interrupted
      await this.#download(commit, file, blob, onBytes);
    });
    await checkDigits(blob, file);
    const placed = await this.cache.find(commit, file.name);
    if (placed && await Deno.realPath(placed) === await Deno.realPath(blob)) return placed;
    return await this.cache.place(commit, file.name, file.hash);
  }

  #download(
    commit: string,
    { name, size, hash }: Listed,
    blob: string,
    onProgress: (bytes: number) => void,
  ): Promise<void> {
    const { settings, signal } = this.#options;
    const path = name.split("/").map(encodeURIComponent).join("/");
    const url = `${settings.endpoint}/${this.#repository}/resolve/${commit}/${path}`;
    const { timeout } = settings;
    const options = { timeout, sleep: this.#tools.sleep, onProgress, signal };
    return download({ name, url, size, hash }, blob, {
      ...options,
      fetch: hubFetch(settings, this.#tools),
    });
  }

  /** @throws {CheckpointError} the disk has no room for what is missing */
  async #checkSpace(commit: string, listed: readonly Listed[]): Promise<void> {
    let needed = 0;
    for (const file of listed) {
      if (!await this.cache.find(commit, file.name)) needed += file.size;
    }
    const { cache } = this.#options.settings;
    await makeFolder(cache);
    await checkSpace(cache, needed, `Cannot pull ${quote(this.#repository)}`);
  }
}

async function isWhole(path: string, { size }: Listed): Promise<boolean> {
  return await Deno.stat(path).then((stat) => stat.isFile && stat.size === size, () => false);
}

/** FAR's checkpoints carry the first 8 digits of their sha256 in their names. */
async function checkDigits(blob: string, { name }: Pick<Listed, "name">): Promise<void> {
  const digits = /-([0-9a-f]{8})\.pth$/.exec(name)?.[1];
  if (digits === undefined) return;
  const sha256 = await sha256File(blob);
  if (sha256.startsWith(digits)) return;
  throw new CheckpointError(
    `Cannot use ${quote(name)}: its sha256 begins with ${sha256.slice(0, 8)}, its name says ` +
      `${digits}; remove ${quote(blob)} and pull it again`,
    { reason: "BadDownload", file: blob },
  );
}
