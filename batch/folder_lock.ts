import { join } from "node:path";
import { FileLock } from "../app.ts";
import { UsageError } from "../cli/errors.ts";

/**
 * Keeps a second batch out of the same folder: it would run the same jobs and remove the first
 * one's unfinished files as leftovers.
 * @param part of the batch, if several share the folder
 * @throws {UsageError} it is taken
 */
export async function lockFolder(folder: string, part: string): Promise<FileLock> {
  const lock = await FileLock.take(join(folder, `.far-batch${part}.lock`), { removed: true });
  if (lock) return lock;
  throw new UsageError(`Cannot use "${folder}": another batch is writing there`);
}
