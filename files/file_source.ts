import { type ByteSource, shortRead } from "./byte_source.ts";
import { CheckpointError, quote } from "./errors.ts";

/** A file opened for reading by position. Reads are queued, because the file has one cursor. */
export class FileSource implements ByteSource {
  readonly size: number;
  readonly #changed: number | undefined;
  #queue: Promise<void> = Promise.resolve();

  private constructor(
    readonly path: string,
    private readonly file: Deno.FsFile,
    info: Deno.FileInfo,
  ) {
    this.size = info.size;
    this.#changed = info.mtime?.getTime();
  }

  /** Opens a file. @throws {CheckpointError} NotFound if there is no such file or it cannot be read */
  static async open(path: string): Promise<FileSource> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { read: true });
    } catch (cause) {
      throw unreadable(path, cause);
    }
    try {
      const info = await file.stat();
      if (!info.isFile) {
        throw new CheckpointError(`Cannot read ${quote(path)}: it is not a file`, {
          file: path,
          reason: "NotFound",
        });
      }
      return new FileSource(path, file, info);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  read(position: number, into: Uint8Array): Promise<void> {
    const result = this.#queue.then(() => this.#read(position, into));
    this.#queue = result.catch(() => {});
    return result;
  }

  async #read(position: number, into: Uint8Array): Promise<void> {
    await this.file.seek(position, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < into.length) {
      const count = await this.file.read(into.subarray(filled));
      if (count === null) throw shortRead(this.path, position + into.length, position + filled);
      filled += count;
    }
    // A file that is rewritten in place after its header was checked must not be trusted.
    const now = await this.file.stat();
    if (now.size !== this.size || now.mtime?.getTime() !== this.#changed) {
      throw new CheckpointError(`Cannot read ${quote(this.path)}: it changed while it was read`, {
        file: this.path,
        reason: "FileChanged",
      });
    }
  }

  /** Opens a file for a reader, which closes it; if none can be made, it is closed here. */
  static async openFor<T>(path: string, read: (source: FileSource) => Promise<T>): Promise<T> {
    const source = await FileSource.open(path);
    try {
      return await read(source);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** Closes the file. */
  close(): void {
    this.file.close();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Whether the path is an existing file. */
export function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then((stat) => stat.isFile, () => false);
}

/** Whether the path is a folder. @throws {CheckpointError} it does not exist */
export function isFolder(path: string): Promise<boolean> {
  return Deno.stat(path).then((stat) => stat.isDirectory, (cause) => {
    throw unreadable(path, cause);
  });
}

/** The error for a file or folder that cannot be opened. */
export function unreadable(path: string, cause: unknown): CheckpointError {
  const why = cause instanceof Deno.errors.NotFound
    ? "there is no such file"
    : cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable
    ? "reading it is not permitted"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new CheckpointError(`Cannot read ${quote(path)}: ${why}`, {
    file: path,
    reason: "NotFound",
    cause,
  });
}
