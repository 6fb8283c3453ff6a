import { join } from "node:path";
import { AtomicFile } from "./atomic_file.ts";
import { makeFolder } from "./folders.ts";

const PIECE_BYTES = 1 << 20;

/** Copies a file; the copy has its name only when it is complete. @throws {CheckpointError} */
export async function copyFile(from: string, to: string): Promise<void> {
  await using sink = await AtomicFile.create(to);
  using file = await Deno.open(from);
  const buffer = new Uint8Array(PIECE_BYTES);
  for (let count; (count = await file.read(buffer)) !== null;) {
    await sink.write(buffer.subarray(0, count));
  }
  await sink.commit();
}

/** Copies the visible files of a folder, without its subfolders. @throws {CheckpointError} */
export async function copyFiles(from: string, to: string): Promise<void> {
  await makeFolder(to);
  for await (const { name } of Deno.readDir(from)) {
    if (name.startsWith(".") || (await Deno.stat(join(from, name))).isDirectory) continue;
    await copyFile(join(from, name), join(to, name));
  }
}
