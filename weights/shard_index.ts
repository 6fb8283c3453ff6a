import { basename, dirname, join } from "node:path";
import { CheckpointError, quote } from "../files/errors.ts";
import { isObject } from "../files/json.ts";
import { readJson } from "../files/read_json.ts";

/** The limit of the hub's own readers. */
const MOST_SHARDS = 10_000;
const SHARD_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.safetensors$/;

/** Which file of a sharded checkpoint holds each tensor. */
export interface ShardIndex {
  /** Paths of the shards. */
  readonly files: readonly string[];
  /** Path of the shard by name of tensor. */
  readonly places: ReadonlyMap<string, string>;
}

/**
 * Reads `*.safetensors.index.json`. A shard is a plain file name next to the index, never a path.
 * @throws {CheckpointError} NotFound, BadConfig or BadIndex
 */
export async function readShardIndex(path: string): Promise<ShardIndex> {
  const { weight_map: map } = await readJson(path);
  if (!isObject(map)) badIndex(path, "it has no weight_map");
  const folder = dirname(path);
  const places = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !SHARD_NAME.test(shard) || basename(shard) !== shard) {
      badIndex(
        path,
        `${quote(name)} is in ${quote(String(shard))}, not a plain .safetensors file name`,
      );
    }
    places.set(name, join(folder, shard));
  }
  const files = [...new Set(places.values())].sort();
  if (files.length === 0) badIndex(path, "its weight_map is empty");
  if (files.length > MOST_SHARDS) {
    badIndex(path, `it names ${files.length} files; the limit is ${MOST_SHARDS}`);
  }
  return { files, places };
}

/** @throws {CheckpointError} always */
export function badIndex(path: string, why: string): never {
  throw new CheckpointError(`Cannot use ${quote(path)}: ${why}`, {
    file: path,
    reason: "BadIndex",
  });
}
