import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { CheckpointError, quote } from "./errors.ts";

/** Creates a folder and its parents if they do not exist. @throws {CheckpointError} */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/**
 * Checks that the disk of a folder has room for so many bytes.
 * @param cannot beginning of the error: `Cannot write "model"`
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

/** Makes a rename in a folder survive a crash, if the system supports it. */
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
  const isMissing = cause instanceof Deno.errors.NotFound;
  const why = isMissing && !existsSync(dirname(path))
    ? `there is no folder ${quote(dirname(path))}`
    : cause instanceof Deno.errors.AlreadyExists
    ? "there is a file of that name"
    : isMissing || cause instanceof Deno.errors.NotCapable // as in /proc
    ? "files cannot be made there"
    : cause instanceof Error
    ? cause.message.replace(/:? ?(open|rename|mkdir|write) '.*$/, "")
    : String(cause);
  return new CheckpointError(`Cannot write ${quote(path)}: ${why}`, {
    file: path,
    reason: "Unwritable",
    cause,
  });
}
