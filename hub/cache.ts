/**
 * The hub's cache as its Python client lays it out: blobs by hash, snapshots of links to them by
 * commit, and refs with the commit of each branch.
 */
import { FileLock } from "../files/lock.ts";
import { dirname, join, relative } from "node:path";
import { isFile } from "../files/file_source.ts";
import { CheckpointError, quote } from "../files/errors.ts";
import { temporaryName, writeWhole } from "../files/atomic_file.ts";
import { makeFolder, syncFolder, unwritable } from "../files/folders.ts";
import { isCommit } from "./names.ts";
import type { HubSettings } from "./settings.ts";

/** A repository's folder in the cache. */
export class HubCache {
  readonly path: string;
  readonly #locks: string;

  /** @param repository `owner/name`, checked */
  constructor(private readonly settings: HubSettings, repository: string) {
    const { cache } = settings;
    const name = `models--${repository.replaceAll("/", "--")}`;
    this.path = join(cache, name);
    this.#locks = join(cache, ".locks", name);
  }

  /** Path of the content with this hash. */
  blob(hash: string): string {
    return join(this.path, "blobs", hash);
  }

  /** Folder of a commit's files. */
  snapshot(commit: string): string {
    return join(this.path, "snapshots", commit);
  }

  /** The commit of a branch or tag when it was last pulled; for a commit, itself. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const path = join(this.path, "refs", ...revision.split("/"));
    const text = await Deno.readTextFile(path).catch(() => "");
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  /** Stores the commit of a branch or tag, so that the Python client finds its files. */
  async setRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return;
    const path = join(this.path, "refs", ...revision.split("/"));
    await makeFolder(dirname(path));
    await writeWhole(path, commit);
  }

  /** A file of a commit, if it is in the cache. */
  async find(commit: string, file: string): Promise<string | undefined> {
    const path = join(this.snapshot(commit), ...file.split("/"));
    return await isFile(path) ? path : undefined;
  }

  /** All cached files of a commit, as paths in the repository. */
  async files(commit: string, folder = ""): Promise<string[]> {
    let found: string[] = [];
    for await (const { name, isDirectory } of Deno.readDir(join(this.snapshot(commit), folder))) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (isDirectory) found = found.concat(await this.files(commit, path));
      else if (await this.find(commit, path)) found.push(path);
    }
    return found;
  }

  /** Puts a blob into a commit's snapshot: a relative link, or the file itself. */
  async place(commit: string, file: string, hash: string): Promise<string> {
    const path = join(this.snapshot(commit), ...file.split("/"));
    await makeFolder(dirname(path));
    const fresh = temporaryName(path);
    const blob = this.blob(hash);
    try {
      if (this.settings.copies) await Deno.copyFile(blob, fresh);
      else {
        await Deno.symlink(relative(dirname(path), blob), fresh)
          .catch(() => Deno.copyFile(blob, fresh)); // Windows: links need privileges
      }
      await Deno.rename(fresh, path);
      syncFolder(dirname(path));
    } catch (cause) {
      await Deno.remove(fresh).catch(() => {});
      throw unwritable(path, cause);
    }
    return path;
  }

  /**
   * Runs while no other process, the Python client included, writes this blob.
   * @param onWait called once if another process holds the lock
   */
  async withLock<T>(
    hash: string,
    signal: AbortSignal | undefined,
    onWait: () => void,
    run: () => Promise<T>,
  ): Promise<T> {
    await makeFolder(this.#locks);
    await makeFolder(dirname(this.blob(hash)));
    const path = join(this.#locks, `${hash}.lock`);
    let lock = await FileLock.take(path);
    if (!lock) onWait();
    while (!lock) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 250));
      lock = await FileLock.take(path);
    }
    using _held = lock;
    return await run();
  }
}

/** The hash that names a blob: sha256 of a large file, git's sha1 of a small one. */
export function checkHash(hash: unknown, file: string): string {
  if (typeof hash === "string" && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) return hash;
  throw new CheckpointError(
    `Cannot pull ${quote(file)}: the hub gives ${
      quote(String(hash))
    } as its hash, which is not one`,
    { reason: "Hub" },
  );
}
