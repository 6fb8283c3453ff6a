import { statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createHash, type Hash } from "node:crypto";
import { CheckpointError, quote } from "./errors.ts";
import type { ByteSink } from "./byte_sink.ts";

/**
 * A file that is hashed while it is written, and only gets its name when it is whole: written in a
 * loop (the system may take fewer bytes than it is given), synced, its size compared, renamed.
 */
export class FileSink implements ByteSink {
  /** Bytes written. */
  size = 0;
  readonly #path: string;
  readonly #partial: string;
  readonly #hash: Hash = createHash("sha256");
  #file: Deno.FsFile | undefined;

  private constructor(path: string, partial: string, file: Deno.FsFile) {
    this.#path = path;
    this.#partial = partial;
    this.#file = file;
  }

  /** @throws {CheckpointError} the folder is missing or not writable */
  static async create(path: string): Promise<FileSink> {
    const partial = temporaryName(path);
    try {
      return new FileSink(
        path,
        partial,
        await Deno.open(partial, { write: true, createNew: true }),
      );
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        done += await this.#file!.write(bytes.subarray(done));
      }
    } catch (cause) {
      throw unwritable(this.#path, cause);
    }
    this.#hash.update(bytes);
    this.size += bytes.length;
  }

  /** Gives the file its name. @returns its sha256 in hexadecimal */
  async commit(): Promise<string> {
    const file = this.#file!;
    try {
      await file.sync();
      const { size } = await file.stat();
      if (size !== this.size) throw new Error(`${size} of ${this.size} bytes are on the disk`);
      this.#close();
      await Deno.rename(this.#partial, this.#path);
      syncFolder(dirname(this.#path));
    } catch (cause) {
      throw unwritable(this.#path, cause);
    }
    return this.#hash.digest("hex");
  }

  /** Removes what was written, unless it is committed. */
  async discard(): Promise<void> {
    if (!this.#file) return;
    this.#close();
    await Deno.remove(this.#partial).catch(() => {});
  }

  #close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** The name that a file has until it is whole: beside it, so that it can be renamed. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}.partial`);
}

/** Writes a small file whole. @throws {CheckpointError} */
export async function writeWhole(path: string, text: string): Promise<void> {
  const sink = await FileSink.create(path);
  try {
    await sink.write(new TextEncoder().encode(text));
    await sink.commit();
  } finally {
    await sink.discard();
  }
}

/** Makes a folder and those above it, where there is none. @throws {CheckpointError} */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/**
 * Checks that the disk of a folder has room for so many bytes.
 * @param cannot what can't be done otherwise: `Cannot write "model"`
 * @throws {CheckpointError} Unwritable
 */
export async function checkSpace(folder: string, bytes: number, cannot: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes <= free) return;
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
  throw new CheckpointError(
    `${cannot}: it needs ${megabytes(bytes)} and ${quote(folder)} has ${megabytes(free)} left`,
    { reason: "Unwritable", file: folder },
  );
}

/** sha256 of a file in hexadecimal. */
export async function sha256File(
  path: string,
  onBytes: (bytes: number) => void = () => {},
): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    const count = await file.read(buffer);
    if (count === null) return hash.digest("hex");
    hash.update(buffer.subarray(0, count));
    onBytes(count);
  }
}

/** Makes a rename in a folder last through a crash, where the system can. */
export function syncFolder(folder: string): void {
  if (Deno.build.os === "windows") return;
  try {
    using handle = Deno.openSync(folder);
    handle.syncSync();
  } catch {
    // Some file systems refuse to sync a folder. The file itself is synced already.
  }
}

/** The error of a file that cannot be written. */
export function unwritable(path: string, cause: unknown): CheckpointError {
  const why = cause instanceof Deno.errors.NotFound
    ? `there is no folder ${quote(join(path, ".."))}`
    : cause instanceof Error
    ? cause.message.replace(/:? ?(open|rename|mkdir|write) '.*$/, "")
    : String(cause);
  return new CheckpointError(`Cannot write ${quote(path)}: ${why}`, {
    file: path,
    reason: "Unwritable",
    cause,
  });
}
