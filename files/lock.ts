import { unwritable } from "./folders.ts";

/** A lock between processes. The system releases it when the process ends, in whatever way. */
export class FileLock implements Disposable {
  private constructor(
    private readonly file: Deno.FsFile,
    private readonly path: string,
    private readonly removed: boolean,
  ) {}

  /**
   * Takes the lock, if nobody has it.
   * @param removed whether releasing the lock removes the file
   * @returns undefined if another process holds it
   * @throws {CheckpointError} the file cannot be made
   */
  static async take(path: string, { removed = false } = {}): Promise<FileLock | undefined> {
    while (true) {
      const file = await Deno.open(path, { write: true, create: true }).catch((cause) => {
        throw unwritable(path, cause);
      });
      const locked = await file.tryLock(true);
      if (locked && await isNamed(file, path)) return new FileLock(file, path, removed);
      file.close();
      if (!locked) return undefined;
    }
  }

  /** Lets go of it. */
  [Symbol.dispose](): void {
    try {
      if (this.removed) Deno.removeSync(this.path);
    } catch {
      // the folder is gone, or the system keeps open files
    }
    this.file.close();
  }
}

/** Whether the file still has its name: the last holder may have removed it since it was opened. */
async function isNamed(file: Deno.FsFile, path: string): Promise<boolean> {
  if (Deno.build.os === "windows") return true; // an open file keeps its name there
  const [{ ino }, named] = [await file.stat(), await Deno.stat(path).catch(() => undefined)];
  return named?.ino === ino;
}
