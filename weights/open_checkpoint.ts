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
  using opened = new DisposableStack();
  const files: SafetensorsFile[] = [];
  let left = index.places.size;
  for (const shard of index.files) {
    const file = opened.use(await SafetensorsFile.open(shard));
    files.push(file);
    left -= file.tensors.size; // too many names must not fill memory
    if (left < 0) badIndex(path, `${quote(shard)} contains tensors that the index does not name`);
  }
  checkShards(path, index.places, files);
  const checkpoint = Checkpoint.of(path, files, ema);
  opened.move();
  return checkpoint;
}

function checkShards(
  path: string,
  places: ReadonlyMap<string, string>,
  files: readonly SafetensorsFile[],
): void {
  const found = new Set<string>();
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      if (places.get(name) !== file.path) {
        const why = `${quote(file.path)} contains ${quote(name)}, but the index puts it elsewhere`;
        badIndex(path, why);
      }
      found.add(name);
    }
  }
  for (const [name, file] of places) {
    if (!found.has(name)) badIndex(path, `${quote(name)} is not in ${quote(file)}`);
  }
}
