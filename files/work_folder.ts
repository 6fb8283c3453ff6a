/**
 * A folder that is built under a temporary name and renamed when it is complete. An interrupted
 * build leaves it behind; the next build of the same inputs continues there.
 */
import { basename, dirname, join, resolve } from "node:path";
import { CheckpointError, quote } from "./errors.ts";
import { writeWhole } from "./atomic_file.ts";
import { makeFolder, syncFolder, unwritable } from "./folders.ts";
import { isObject, type JsonObject } from "./json.ts";
import { FileLock } from "./lock.ts";
import { readJson } from "./read_json.ts";

const LOCK = ".lock";
const JOURNAL = ".journal.json";

/** A folder under construction. */
export class WorkFolder {
  #done: JsonObject = {};
  #closed = false;
  #committed = false;

  private constructor(
    /** Where files are put until {@linkcode commit}. */
    readonly path: string,
    private readonly lock: FileLock,
    private readonly target: string,
    private readonly fingerprint: string,
    private readonly overwrite: boolean,
  ) {}

  /**
   * Starts or continues building the folder `target`.
   * @param fingerprint identifies the inputs; leftovers of other inputs are removed
   * @throws {CheckpointError} the target exists, another process builds it, or it isn't writable
   */
  static async open(target: string, fingerprint: string, overwrite = false): Promise<WorkFolder> {
    target = resolve(target);
    if (!overwrite) await checkFree(target);
    const path = join(dirname(target), `.${basename(target)}.partial`);
    await makeFolder(path);
    const lock = await takeLock(path, target);
    try {
      const folder = new WorkFolder(path, lock, target, fingerprint, overwrite);
      folder.#done = await leftovers(path, fingerprint);
      return folder;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Details that an earlier build recorded about a finished step. */
  finished(step: string): JsonObject | undefined {
    const record = this.#done[step];
    return isObject(record) ? record : undefined;
  }

  /** Records that a step is finished. */
  async record(step: string, details: JsonObject): Promise<void> {
    this.#done = { ...this.#done, [step]: details };
    const journal = { fingerprint: this.fingerprint, done: this.#done };
    await writeWhole(join(this.path, JOURNAL), JSON.stringify(journal));
  }

  /** Renames the folder to its final name; an existing one is replaced if `overwrite` was set. */
  async commit(): Promise<void> {
    if (!this.overwrite) await checkFree(this.target);
    await Deno.remove(join(this.path, JOURNAL)).catch(() => {});
    syncFolder(this.path);
    const old = join(dirname(this.target), `.${basename(this.target)}.${crypto.randomUUID()}.old`);
    const replaced = await Deno.rename(this.target, old).then(() => true, () => false);
    this.#committed = true;
    if (Deno.build.os === "windows") await this[Symbol.asyncDispose](); // it renames no folder with an open file
    try {
      await Deno.rename(this.path, this.target);
    } catch (cause) {
      if (replaced) await Deno.rename(old, this.target).catch(() => {});
      throw unwritable(this.target, cause);
    }
    // Only now: another process that took a lock removed earlier would clear the folder.
    await Deno.remove(join(this.target, LOCK));
    syncFolder(dirname(this.target));
    if (replaced) await Deno.remove(old, { recursive: true });
  }

  /** Stops building; finished steps are kept for the next build. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const useless = !this.#committed && Object.keys(this.#done).length === 0;
    if (useless && Deno.build.os !== "windows") {
      await Deno.remove(this.path, { recursive: true }).catch(() => {});
    }
    this.lock[Symbol.dispose]();
  }
}

/** @throws {CheckpointError} the target exists and is not an empty folder */
async function checkFree(target: string): Promise<void> {
  if (await isFree(target)) return;
  throw new CheckpointError(
    `Cannot write ${quote(target)}: it exists; remove it or use \`overwrite\``,
    { file: target, reason: "Unwritable" },
  );
}

async function isFree(path: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(path)) return false;
    return true; // an empty folder
  } catch {
    return !await Deno.lstat(path).then(() => true, () => false);
  }
}

async function takeLock(path: string, target: string): Promise<FileLock> {
  const lock = await FileLock.take(join(path, LOCK));
  if (lock) return lock;
  throw new CheckpointError(`Cannot write ${quote(target)}: another process is writing it`, {
    file: target,
    reason: "Unwritable",
  });
}

/** Reads the journal, or removes everything if it belongs to other inputs. */
async function leftovers(path: string, fingerprint: string): Promise<JsonObject> {
  const journal = await readJson(join(path, JOURNAL)).catch(() => undefined);
  const done = journal?.fingerprint === fingerprint ? journal.done : undefined;
  if (isObject(done)) {
    await removePartial(path);
    return done;
  }
  for await (const { name } of Deno.readDir(path)) {
    if (name !== LOCK) await Deno.remove(join(path, name), { recursive: true });
  }
  return {};
}

/** Removes files that a killed process had not finished writing. */
async function removePartial(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) await removePartial(join(folder, name));
    else if (name.endsWith(".partial")) await Deno.remove(join(folder, name));
  }
}
