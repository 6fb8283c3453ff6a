import { extname } from "node:path";
import { readMetadata } from "../app.ts";
import { SafetensorsFile } from "../mod.ts";

/**
 * The metadata of an output of any kind.
 * @param name the final name, whose extension gives the type
 * @throws {MediaError | CheckpointError} it cannot be read
 */
export async function fileMetadata(path: string, name = path): Promise<Record<string, string>> {
  if (extname(name).toLowerCase() !== ".safetensors") return await readMetadata(path);
  const file = await SafetensorsFile.open(path);
  file.close();
  return Object.fromEntries(file.metadata);
}
