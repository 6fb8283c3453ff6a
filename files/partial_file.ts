import { createHash, type Hash } from "node:crypto";
import { writeAll } from "./byte_sink.ts";
import { unwritable } from "./folders.ts";
import { hashRest } from "./hash_file.ts";

/**
 * An incomplete download: bytes are appended and hashed; those of an earlier run are kept and
 * hashed again.
 */
export class PartialFile {
  #hash: Hash;
  /** Bytes so far. */
  size = 0;

  private constructor(
    private readonly path: string,
    private readonly file: Deno.FsFile,
    private readonly algorithm: { name: string; prefix: string },
  ) {
    this.#hash = this.#begin();
  }

  /**
   * Opens or creates it.
   * @param size bytes of the complete file
   * @param hash its sha256, or git's sha1 (which counts the length first); tells which to compute
   * @throws {CheckpointError} it isn't writable
   */
  static async open(path: string, size: number, hash: string): Promise<PartialFile> {
    const algorithm = hash.length === 40
      ? { name: "sha1", prefix: `blob ${size}\0` }
      : { name: "sha256", prefix: "" };
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { read: true, write: true, create: true });
    } catch (cause) {
      throw unwritable(path, cause);
    }
    const partial = new PartialFile(path, file, algorithm);
    try {
      if ((await file.stat()).size > size) await partial.restart();
      else await partial.#takeOver();
    } catch (cause) {
      file.close();
      throw unwritable(path, cause);
    }
    return partial;
  }

  async #takeOver(): Promise<void> {
    this.size += await hashRest(this.file, this.#hash);
  }

  #begin(): Hash {
    return createHash(this.algorithm.name).update(this.algorithm.prefix);
  }

  /** Discards the bytes so far. */
  async restart(): Promise<void> {
    await this.file.truncate(0);
    await this.file.seek(0, Deno.SeekMode.Start);
    this.#hash = this.#begin();
    this.size = 0;
  }

  /** @throws {CheckpointError} the disk is full or fails */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.file, bytes);
    } catch (cause) {
      throw unwritable(this.path, cause);
    }
    this.#hash.update(bytes);
    this.size += bytes.length;
  }

  /** Syncs it to the disk. @returns its hash in hexadecimal */
  async finish(): Promise<string> {
    await this.file.sync().catch((cause) => {
      throw unwritable(this.path, cause);
    });
    return this.#hash.digest("hex");
  }

  close(): void {
    this.file.close();
  }
}
