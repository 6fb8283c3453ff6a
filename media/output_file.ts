import { dirname, resolve } from "node:path";
import { syncFolder, temporaryName } from "../files/file_sink.ts";
import { MediaError, reasonOf } from "./errors.ts";

/**
 * A file that appears under its own name only when it is whole.
 *
 * Bytes go to `.<name>.<uuid>.partial` in the same folder. `commit()` syncs, compares the size on
 * disk with what was written, renames, and syncs the folder. `FsFile.writable` and friends are
 * avoided: they lose the error of a full disk.
 */
export class OutputFile implements AsyncDisposable {
  #file: Deno.FsFile | undefined;
  #position = 0;
  #size = 0;
  #isReleased = false;

  private constructor(
    /** The final name. */
    readonly path: string,
    /** The name until `commit()`. */
    readonly partialPath: string,
    file: Deno.FsFile,
  ) {
    this.#file = file;
  }

  /**
   * Opens the temporary file beside `path`.
   *
   * @throws {MediaError} when the folder is missing or not writable, or `path` is a folder or a
   *   device, which must not be renamed over.
   */
  static async create(path: string): Promise<OutputFile> {
    path = await refuseUnlessFile(path);
    const folder = dirname(path);
    const partial = temporaryName(path);
    try {
      return new OutputFile(
        path,
        partial,
        await Deno.open(partial, { write: true, createNew: true }),
      );
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new MediaError(`Cannot write "${path}": there is no folder "${folder}"`);
      }
      throw new MediaError(`Cannot write "${path}": ${reasonOf(error)}`);
    }
  }

  /** Bytes in the file so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends `bytes` after the last write.
   *
   * @throws {MediaError} when the disk is full or fails.
   */
  async write(bytes: Uint8Array): Promise<void> {
    const file = this.#open();
    try {
      // The system may take fewer bytes than it is given.
      for (let done = 0; done < bytes.length;) {
        const count = await file.write(bytes.subarray(done));
        if (count <= 0) throw new Error("the system accepts no more bytes");
        done += count;
      }
    } catch (error) {
      throw new MediaError(`Cannot write "${this.path}": ${reasonOf(error)}`);
    }
    this.#position += bytes.length;
    this.#size = Math.max(this.#size, this.#position);
  }

  /**
   * Takes over what another program has written under `partialPath`: all of it is the file now.
   */
  async adopt(): Promise<void> {
    this.#size = (await this.#open().stat()).size;
  }

  /** Writes `bytes` at `position` (bytes from the start); later writes follow it. */
  async writeAt(bytes: Uint8Array, position: number): Promise<void> {
    if (position !== this.#position) {
      try {
        this.#position = await this.#open().seek(position, Deno.SeekMode.Start);
      } catch (error) {
        throw new MediaError(`Cannot write "${this.path}": ${reasonOf(error)}`);
      }
    }
    await this.write(bytes);
  }

  /**
   * Lets go of the open file; only `commit()` and `discard()` may follow. For those who make more
   * files than a process may hold open.
   *
   * @throws {MediaError} when the bytes did not all reach the disk
   */
  async release(): Promise<void> {
    const file = this.#open();
    try {
      await this.#settle(file);
    } catch (error) {
      await this.discard();
      throw new MediaError(`Cannot write "${this.path}": ${reasonOf(error)}`);
    }
    this.#isReleased = true;
  }

  /**
   * Puts the finished file in its place.
   *
   * @throws {MediaError} when the bytes did not all reach the disk; nothing is left behind then.
   */
  async commit(): Promise<void> {
    const file = this.#isReleased ? undefined : this.#open();
    try {
      if (file) await this.#settle(file);
      await Deno.rename(this.partialPath, this.path);
    } catch (error) {
      await this.discard();
      throw new MediaError(`Cannot write "${this.path}": ${reasonOf(error)}`);
    }
    syncFolder(dirname(this.path));
  }

  /** Removes the temporary file. Does nothing after `commit()`. */
  async discard(): Promise<void> {
    this.#close();
    try {
      await Deno.remove(this.partialPath);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Discards what was not committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  async #settle(file: Deno.FsFile): Promise<void> {
    await file.sync();
    const { size } = await file.stat();
    if (size !== this.#size) throw new Error(`${size} of ${this.#size} bytes are on the disk`);
    this.#close();
  }

  #open(): Deno.FsFile {
    if (!this.#file) throw new MediaError(`Cannot write "${this.path}": it is already closed`);
    return this.#file;
  }

  #close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** Follows a link, so that it stays one, and turns down what a rename would destroy. */
async function refuseUnlessFile(path: string): Promise<string> {
  let found: Deno.FileInfo;
  try {
    found = await Deno.stat(path);
  } catch (error) {
    // Nothing there yet, a link included; or opening the temporary file will say what is wrong.
    if (!(error instanceof Deno.errors.NotFound)) return path;
    const target = await Deno.readLink(path).catch(() => undefined);
    return target === undefined ? path : await refuseUnlessFile(resolve(dirname(path), target));
  }
  if (found.isDirectory) throw new MediaError(`Cannot write "${path}": it is a folder`);
  if (!found.isFile) throw new MediaError(`Cannot write "${path}": it is not a regular file`);
  return await Deno.realPath(path);
}
