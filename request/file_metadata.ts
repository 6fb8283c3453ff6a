import { extname } from "node:path";
import { readMetadata } from "../app.ts";
import { SafetensorsFile } from "../mod.ts";

/**
 * The text that an output of any kind was written with.
 * @param name the final one, whose extension says what it is
 * @throws {MediaError | CheckpointError} it cannot be read
 */
export async function fileMetadata(path: string, name = path): Promise<Record<string, string>> {
  if (extname(name).toLowerCase() !== ".safetensors") return await readMetadata(path);
  const file = await SafetensorsFile.open(path);
  file.close();
  return Object.fromEntries(file.metadata);
}
