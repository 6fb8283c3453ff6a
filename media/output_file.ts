import { AtomicFile } from "../files/atomic_file.ts";
import { unwritable } from "../files/folders.ts";
import { MediaError } from "./errors.ts";

/**
 * Opens a file that appears under its own name only when it is whole; its errors are this room's.
 *
 * @throws {MediaError} when the folder is missing or not writable, or `path` is a folder or device
 */
export function createOutput(path: string): Promise<AtomicFile> {
  return AtomicFile.create(path, (path, cause) => new MediaError(unwritable(path, cause).message));
}

/** Writes a whole file atomically. @throws {MediaError} as `createOutput`, or the disk is full */
export async function writeOutput(path: string, data: string | Uint8Array): Promise<void> {
  await using file = await createOutput(path);
  await file.write(typeof data === "string" ? new TextEncoder().encode(data) : data);
  await file.commit();
}
