import { join } from "node:path";
import { UsageError } from "../cli/errors.ts";

/**
 * Keeps a second batch out of the same folder: it would do the same jobs and take the first one's
 * unfinished files for rubbish. The system lets go of the lock when the process ends, in any way.
 */
export class FolderLock implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;

  private constructor(file: Deno.FsFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** @param part of the batch, where several share the folder @throws {UsageError} it is taken */
  static async take(folder: string, part: string): Promise<FolderLock> {
    const path = join(folder, `.far-batch${part}.lock`);
    while (true) {
      const file = await Deno.open(path, { write: true, create: true });
      const locked = await file.tryLock(true);
      if (locked && await isNamed(file, path)) return new FolderLock(file, path);
      file.close();
      if (!locked) throw new UsageError(`Cannot use "${folder}": another batch is writing to it`);
    }
  }

  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#path);
    } catch {
      // the folder is gone, or the system keeps open files
    }
    this.#file.close();
  }
}

/** Whether a file still has its name: its last holder may have removed it since it was opened. */
async function isNamed(file: Deno.FsFile, path: string): Promise<boolean> {
  if (Deno.build.os === "windows") return true; // an open file keeps its name there
  const [{ ino }, named] = [await file.stat(), await Deno.stat(path).catch(() => undefined)];
  return named?.ino === ino;
}
