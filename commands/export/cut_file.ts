import { join } from "node:path";
import { FileSource, writeAll } from "../../app.ts";
import type { CutFile } from "../../player/world_file.ts";

/** Largest file that every static host accepts. */
const MOST_BYTES = 25_000_000;
const CHUNK = 1 << 20;

/**
 * Copies a file in pieces: `weights/vae.00.safetensors`, ... Joined, they are the original file.
 * @param name of the pieces in the folder `to`, without number and extension
 */
export async function cutFile(
  path: string,
  to: string,
  name: string,
  signal: AbortSignal,
): Promise<CutFile> {
  using source = await FileSource.open(path);
  const pieces: { path: string; bytes: number }[] = [];
  for (let start = 0; start < source.size; start += MOST_BYTES) {
    const bytes = Math.min(MOST_BYTES, source.size - start);
    const piece = `${name}.${String(pieces.length).padStart(2, "0")}.safetensors`;
    using file = await Deno.open(join(to, piece), { write: true, create: true, truncate: true });
    for (let at = 0; at < bytes; at += CHUNK) {
      signal.throwIfAborted();
      const chunk = new Uint8Array(Math.min(CHUNK, bytes - at));
      await source.read(start + at, chunk);
      await writeAll(file, chunk);
    }
    pieces.push({ path: piece, bytes });
  }
  return { pieces };
}
