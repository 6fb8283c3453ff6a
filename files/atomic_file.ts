import { basename, dirname, join, resolve } from "node:path";
import { type ByteSink, writeAll } from "./byte_sink.ts";
import { syncFolder, unwritable } from "./folders.ts";

/** Makes the error of a file that cannot be written. */
type Fail = (path: string, cause: unknown) => Error;

/**
 * A file that appears under its final name only when it is complete.
 *
 * Bytes go to `.<name>.<uuid>.partial` in the same folder. `commit()` syncs, compares the size on
 * disk with what was written, renames, and syncs the folder. `FsFile.writable` and friends are
 * avoided: they lose the error of a full disk.
 */
export class AtomicFile implements ByteSink, AsyncDisposable {
  #position = 0;
  #size = 0;
  #isReleased = false;

  private constructor(
    /** The final name. */
    readonly path: string,
    /** The name until `commit()`. */
    readonly partialPath: string,
    private file: Deno.FsFile | undefined,
    private readonly fail: Fail,
  ) {}

  /**
   * Opens the temporary file next to `path`.
   * @param fail makes the errors of this file
   * @throws {CheckpointError} the folder is missing or not writable, or `path` is a folder or a
   *   device, which must not be renamed over
   */
  static async create(path: string, fail: Fail = unwritable): Promise<AtomicFile> {
    const target = await fileOf(path, fail);
    const partial = temporaryName(target);
    try {
      const file = await Deno.open(partial, { write: true, createNew: true });
      rememberUnfinished(partial);
      return new AtomicFile(target, partial, file, fail);
    } catch (cause) {
      throw fail(target, cause);
    }
  }

  /** Bytes in the file so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends `bytes` after the last write. @throws {CheckpointError} the disk is full or fails */
  async write(bytes: Uint8Array): Promise<void> {
    const file = this.#open();
    await this.#try(() => writeAll(file, bytes));
    this.#position += bytes.length;
    this.#size = Math.max(this.#size, this.#position);
  }

  /** Writes `bytes` at `position` (bytes from the start); later writes follow it. */
  async writeAt(bytes: Uint8Array, position: number): Promise<void> {
    if (position !== this.#position) {
      const file = this.#open();
      this.#position = await this.#try(() => file.seek(position, Deno.SeekMode.Start));
    }
    await this.write(bytes);
  }

  /** Adopts what another program has written under `partialPath` as the contents of the file. */
  async adopt(): Promise<void> {
    this.#size = (await this.#open().stat()).size;
  }

  /**
   * Closes the file before `commit()` or `discard()`, for callers that write more files than a
   * process may have open.
   * @throws {CheckpointError} the bytes did not all reach the disk; nothing is left behind then
   */
  async release(): Promise<void> {
    const file = this.#open();
    await this.#orDiscard(() => this.#settle(file));
    this.#isReleased = true;
  }

  /**
   * Renames the finished file to its final name.
   * @throws {CheckpointError} the bytes did not all reach the disk; nothing is left behind then
   */
  async commit(): Promise<void> {
    const file = this.#isReleased ? undefined : this.#open();
    await this.#orDiscard(async () => {
      if (file) await this.#settle(file);
      await Deno.rename(this.partialPath, this.path);
      unfinished.delete(this.partialPath);
    });
    syncFolder(dirname(this.path));
  }

  /** Removes the temporary file. Does nothing after `commit()`. */
  async discard(): Promise<void> {
    this.#close();
    unfinished.delete(this.partialPath);
    try {
      await Deno.remove(this.partialPath);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Discards the file unless it was committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  async #settle(file: Deno.FsFile): Promise<void> {
    await file.sync();
    const { size } = await file.stat();
    if (size !== this.#size) throw new Error(`${size} of ${this.#size} bytes are on the disk`);
    this.#close();
  }

  async #try<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      throw this.fail(this.path, cause);
    }
  }

  async #orDiscard(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      await this.discard();
      throw this.fail(this.path, cause);
    }
  }

  #open(): Deno.FsFile {
    if (!this.file) throw this.fail(this.path, new Error("it is already closed"));
    return this.file;
  }

  #close(): void {
    this.file?.close();
    this.file = undefined;
  }
}

/** Follows a link, so that the link survives, and refuses targets that a rename would destroy. */
async function fileOf(path: string, fail: Fail): Promise<string> {
  let found: Deno.FileInfo;
  try {
    found = await Deno.stat(path);
  } catch (error) {
    // The target (or the link's target) does not exist yet; other problems show when the temporary
    // file is opened.
    if (!(error instanceof Deno.errors.NotFound)) return path;
    const target = await Deno.readLink(path).catch(() => undefined);
    return target === undefined ? path : await fileOf(resolve(dirname(path), target), fail);
  }
  if (found.isDirectory) throw fail(path, new Error("it is a folder"));
  if (!found.isFile) throw fail(path, new Error("it is not a regular file"));
  return await Deno.realPath(path);
}

/** The name of a file until it is complete: in the same folder, so that it can be renamed. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}.partial`);
}

/** Temporary names of files that are neither finished nor discarded. */
const unfinished = new Set<string>();

/** Removes unfinished files when the program ends at once, as by a second signal. */
function rememberUnfinished(partialPath: string): void {
  if (unfinished.size === 0) addEventListener("unload", removeUnfinished); // again: no effect
  unfinished.add(partialPath);
}

function removeUnfinished(): void {
  for (const path of unfinished) {
    try {
      Deno.removeSync(path);
    } catch {
      // its folder is gone
    }
  }
}

const PARTIAL = /^\.(.+)\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.partial$/;

/** The name that a file is to get when it is whole; undefined for one that has its own. */
export function finalName(name: string): string | undefined {
  return PARTIAL.exec(name)?.[1];
}

/** Writes a small file atomically. @throws {CheckpointError} */
export async function writeWhole(path: string, text: string): Promise<void> {
  await using file = await AtomicFile.create(path);
  await file.write(new TextEncoder().encode(text));
  await file.commit();
}
