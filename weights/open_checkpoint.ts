import { join } from "node:path";
import { CheckpointError, quote, quoteSome } from "../files/errors.ts";
import { isFile, isFolder } from "../files/file_source.ts";
import { Checkpoint } from "./checkpoint.ts";
import { SafetensorsFile } from "./safetensors.ts";
import { badIndex, readShardIndex } from "./shard_index.ts";

/** Files of weights in a folder, in the order they are looked for. */
const WEIGHT_FILES = [
  "diffusion_pytorch_model.safetensors",
  "diffusion_pytorch_model.safetensors.index.json",
  "model.safetensors",
  "model.safetensors.index.json",
];

/**
 * Opens a .safetensors file, an index of shards, or a folder with either.
 * @param ema whether an averaged copy is preferred, where the names say that there are two
 * @throws {CheckpointError} not found, or any file in it is malformed
 */
export async function openCheckpoint(folderOrFile: string, ema = true): Promise<Checkpoint> {
  const path = await findWeights(folderOrFile);
  if (!path.endsWith(".json")) return Checkpoint.from(await SafetensorsFile.open(path), ema);
  return await openShards(path, ema);
}

/**
 * The file of weights at a path: itself, or the one in a folder.
 * @throws {CheckpointError} NotFound
 */
export async function findWeights(path: string): Promise<string> {
  if (!await isFolder(path)) return path;
  for (const name of WEIGHT_FILES) {
    const file = join(path, name);
    if (await isFile(file)) return file;
  }
  throw new CheckpointError(`Cannot find weights in ${quote(path)}: ${await whatElse(path)}`, {
    file: path,
    reason: "NotFound",
  });
}

/** What a folder without usable weights contains instead, and what to do about it. */
async function whatElse(folder: string): Promise<string> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const names = entries.filter(({ isDirectory }) => !isDirectory).map(({ name }) => name).sort();
  const pickledShards = names.find((name) => /\.(bin|pth|pt)\.index\.json$/.test(name));
  if (pickledShards) {
    return `${quote(pickledShards)} lists pickled shards, which are not supported; save ` +
      `the model with safe_serialization=True`;
  }
  const others = names.filter((name) => /\.(safetensors|pth|pt|bin|ckpt)$/.test(name));
  if (others.length) return `it contains ${quoteSome(others)}; name one of these files`;
  return `it contains neither ${WEIGHT_FILES[0]} nor an index of shards`;
}

/** Opens every shard and checks that the index matches their contents exactly. */
async function openShards(path: string, ema: boolean): Promise<Checkpoint> {
  const index = await readShardIndex(path);
  const files: SafetensorsFile[] = [];
  try {
    let left = index.places.size;
    for (const file of index.files) {
      const opened = await SafetensorsFile.open(file);
      files.push(opened);
      left -= opened.tensors.size; // too many names must not fill memory
      if (left < 0) badIndex(path, `${quote(file)} contains tensors that the index does not name`);
    }
    checkShards(path, index.places, files);
    return Checkpoint.of(path, files, ema);
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

function checkShards(
  path: string,
  places: ReadonlyMap<string, string>,
  files: readonly SafetensorsFile[],
): void {
  const found = new Map<string, string>();
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      if (places.get(name) === file.path) found.set(name, file.path);
      else {badIndex(
          path,
          `${quote(file.path)} contains ${quote(name)}, but the index puts it elsewhere`,
        );}
    }
  }
  for (const [name, file] of places) {
    if (!found.has(name)) badIndex(path, `${quote(name)} is not in ${quote(file)}`);
  }
}
