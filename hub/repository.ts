/** Lists, chooses and fetches files of a hub's repository and puts them into the cache. */
import { CheckpointError, quote } from "../files/errors.ts";
import { checkSpace, makeFolder } from "../files/folders.ts";
import { HubCache } from "./cache.ts";
import { download, statusError } from "./download.ts";
import { type FetchTools, hubApiFetch, hubFetch, REAL_TOOLS } from "./fetch.ts";
import { fileNames, type ListedFile, MOST_ENTRIES, wantedFiles } from "./listing.ts";
import { checkCommit, isCommit } from "./names.ts";
import type { HubSettings } from "./settings.ts";

/** Settings of a pull. */
export interface PullOptions {
  /** Cache folder, endpoint, token. */
  readonly settings: HubSettings;
  /** Network, clock and random numbers, for tests. */
  readonly tools?: FetchTools;
  /** Called with the bytes so far and in total. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called with notes for the user. */
  readonly onNote?: (note: string) => void;
  /** Stops the download, which can be continued later. */
  readonly signal?: AbortSignal;
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

/** A file that a pull would fetch. */
export interface PlannedFile {
  /** Its path in the repository. */
  readonly name: string;
  /** Its size. */
  readonly bytes: number;
  /** Whether it is already in the cache. */
  readonly cached: boolean;
}

/** Arguments of each call of the hub's library. */
interface Api {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
}

/** Most answers to one request: a page of a listing has 1000 entries. */
const MOST_PAGES = 200;

/** Which files of a repository are wanted, and how they are checked. */
export interface Wanted {
  /** Chooses from the names of all files. @throws {CheckpointError} */
  readonly choose: (all: readonly string[]) => string[];
  /** Names that are known without a listing. */
  readonly names?: readonly string[];
  /** Checks that a snapshot in the cache is complete. @throws {CheckpointError} */
  readonly checkSnapshot?: (folder: string) => Promise<void>;
  /** Checks a complete file in the cache. @throws {CheckpointError} */
  readonly checkFile?: (path: string, name: string) => Promise<void>;
}

/** A repository of a hub whose files are pulled into the cache. */
export class HubRepository {
  readonly cache: HubCache;
  readonly #tools: FetchTools;

  /** @param repository as `owner/name`, checked */
  constructor(private readonly repository: string, private readonly options: PullOptions) {
    this.#tools = { onNote: options.onNote, ...options.tools ?? REAL_TOOLS };
    this.cache = new HubCache(options.settings, repository);
  }

  /**
   * Fetches the files of a revision that are not in the cache yet.
   * @throws {CheckpointError} Hub, BadDownload, or the disk fails
   */
  async pull(
    revision: string,
    wanted: Wanted,
  ): Promise<{ commit: string; pulled: PulledFile[] }> {
    if (this.options.settings.offline) {
      const local = await this.#local(revision, wanted);
      for (const { path, name } of local.pulled) {
        await wanted.checkFile?.(await Deno.realPath(path), name);
      }
      return local;
    }
    const commit = await this.#commit(revision);
    const listed = await this.#list(commit, wanted);
    await this.#checkSpace(commit, listed);
    const total = listed.reduce((sum, { size }) => sum + size, 0);
    const pulled: PulledFile[] = [];
    let before = 0;
    for (const file of listed) {
      const onBytes = (bytes: number) => this.options.onProgress?.(before + bytes, total);
      const path = await this.#file(commit, file, wanted, onBytes);
      before += file.size;
      this.options.onProgress?.(before, total);
      pulled.push({ name: file.name, path, bytes: file.size });
    }
    await this.cache.setRef(revision, commit);
    return { commit, pulled };
  }

  /** What {@linkcode pull} would fetch. @throws {CheckpointError} Hub */
  async plan(revision: string, wanted: Wanted): Promise<PlannedFile[]> {
    if (this.options.settings.offline) {
      const { pulled } = await this.#local(revision, wanted);
      return pulled.map(({ name, bytes }) => ({ name, bytes, cached: true }));
    }
    const listed = await this.#list(await this.#commit(revision), wanted);
    return await Promise.all(listed.map(async (file) => {
      const cached = await isWhole(this.cache.blob(file.hash), file);
      return { name: file.name, bytes: file.size, cached };
    }));
  }

  /** What is in the cache, without using the network. */
  async #local(
    revision: string,
    wanted: Wanted,
  ): Promise<{ commit: string; pulled: PulledFile[] }> {
    const commit = await this.cache.commitOf(revision);
    if (commit === undefined) {
      const [name] = wanted.names ?? [];
      const what = name === undefined ? this.repository : `${this.repository}/${name}`;
      this.#notHere(what, "it is not in the cache");
    }
    const pulled: PulledFile[] = [];
    for (const name of wanted.names ?? await this.#snapshot(commit, wanted)) {
      const path = await this.cache.find(commit, name);
      if (!path) this.#notHere(`${this.repository}/${name}`, "it is not in the cache");
      pulled.push({ name, path, bytes: (await Deno.stat(path)).size });
    }
    return { commit, pulled };
  }

  /** Cached files of a commit. @throws {CheckpointError} only part of them is cached */
  async #snapshot(commit: string, wanted: Wanted): Promise<string[]> {
    try {
      await wanted.checkSnapshot?.(this.cache.snapshot(commit));
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      this.#notHere(this.repository, `only part of it is in the cache (${error.message})`);
    }
    return wanted.choose(await this.cache.files(commit));
  }

  #notHere(what: string, why: string): never {
    throw new CheckpointError(
      `Cannot pull ${quote(what)}: ${why} and downloads are off (offline)`,
      { reason: "Hub" },
    );
  }

  /** The commit of a revision. Files are requested by it, so all belong to the same state. */
  async #commit(revision: string): Promise<string> {
    if (isCommit(revision)) return revision;
    const { modelInfo } = await import("@huggingface/hub");
    const info = await this.#ask((api) =>
      modelInfo({ name: this.repository, revision, additionalFields: ["sha"], ...api })
    );
    return checkCommit(info.sha);
  }

  async #list(commit: string, wanted: Wanted): Promise<ListedFile[]> {
    const { pathsInfo } = await import("@huggingface/hub");
    const repo = { type: "model", name: this.repository } as const;
    const { names } = wanted;
    const entries: unknown = names
      ? await this.#ask((api) => pathsInfo({ repo, revision: commit, paths: [...names], ...api }))
      : await this.#ask((api) => this.#listAll(commit, api));
    if (!Array.isArray(entries)) this.#malformed();
    const chosen = names ?? wanted.choose(fileNames(entries, this.repository));
    return wantedFiles(entries, chosen, this.repository);
  }

  async #listAll(commit: string, api: Api): Promise<unknown[]> {
    const { listFiles } = await import("@huggingface/hub");
    const repo = { type: "model", name: this.repository } as const;
    const entries: unknown[] = [];
    for await (const entry of listFiles({ repo, revision: commit, recursive: true, ...api })) {
      if (entries.push(entry) > MOST_ENTRIES) this.#malformed(undefined, "its listing is endless");
    }
    return entries;
  }

  /** Runs a call of the hub's library and turns its errors into ours. */
  async #ask<T>(call: (api: Api) => Promise<T>): Promise<T> {
    const { settings, signal } = this.options;
    const inner = hubApiFetch(settings, this.#tools);
    const { HubApiError } = await import("@huggingface/hub");
    let answers = 0;
    try {
      return await call({
        hubUrl: settings.endpoint,
        fetch: (input, init) => {
          if (++answers > MOST_PAGES) this.#malformed(undefined, "its listing is endless");
          return inner(input, { ...init, signal });
        },
      });
    } catch (error) {
      if (error instanceof HubApiError) throw statusError(error.statusCode, this.repository);
      if (error instanceof CheckpointError || signal?.aborted) throw error;
      this.#malformed(error); // the library reads the answer without checks
    }
  }

  #malformed(cause?: unknown, why = "the hub's answer is not understood"): never {
    const reason = cause instanceof Error && cause.cause instanceof CheckpointError
      ? cause.cause
      : cause;
    throw new CheckpointError(`Cannot pull ${quote(this.repository)}: ${why}`, {
      reason: "Hub",
      temporary: true,
      cause: reason,
    });
  }

  /** A file in the commit's snapshot, fetched if its content is not cached. */
  async #file(
    commit: string,
    file: ListedFile,
    { checkFile }: Wanted,
    onBytes: (bytes: number) => void,
  ): Promise<string> {
    const { signal, onNote } = this.options;
    const blob = this.cache.blob(file.hash);
    const waiting = () => onNote?.(`waiting: another process is pulling ${quote(file.name)}`);
    await this.cache.withLock(file.hash, signal, waiting, async () => {
      if (await isWhole(blob, file)) return;
      await Deno.remove(blob).catch(() => {}); // of another length: some tool was interrupted
      await this.#download(commit, file, blob, onBytes);
    });
    await checkFile?.(blob, file.name);
    const placed = await this.cache.find(commit, file.name);
    if (placed && await Deno.realPath(placed) === await Deno.realPath(blob)) return placed;
    return await this.cache.place(commit, file.name, file.hash);
  }

  #download(
    commit: string,
    { name, size, hash }: ListedFile,
    blob: string,
    onProgress: (bytes: number) => void,
  ): Promise<void> {
    const { settings, signal } = this.options;
    const path = name.split("/").map(encodeURIComponent).join("/");
    const url = `${settings.endpoint}/${this.repository}/resolve/${commit}/${path}`;
    const { timeout } = settings;
    const options = { timeout, sleep: this.#tools.sleep, onProgress, signal };
    return download({ name, url, size, hash }, blob, {
      ...options,
      fetch: hubFetch(settings, this.#tools),
    });
  }

  /** @throws {CheckpointError} the disk has no room for the missing files */
  async #checkSpace(commit: string, listed: readonly ListedFile[]): Promise<void> {
    let needed = 0;
    for (const file of listed) {
      if (!await this.cache.find(commit, file.name)) needed += file.size;
    }
    const { cache } = this.options.settings;
    await makeFolder(cache);
    await checkSpace(cache, needed, `Cannot pull ${quote(this.repository)}`);
  }
}

async function isWhole(path: string, { size }: ListedFile): Promise<boolean> {
  return await Deno.stat(path).then((stat) => stat.isFile && stat.size === size, () => false);
}
