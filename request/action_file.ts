import { extname } from "node:path";
import { readIntegers } from "../app.ts";
import { NpzFile, SafetensorsFile } from "../mod.ts";
import { checkIndices, type Classes, parseActionText, parseClassList } from "./actions.ts";
import { UsageError } from "../cli/errors.ts";
import { readText } from "../cli/text_file.ts";

/** A header of a sparse file can announce any number of actions. */
const MOST_ACTIONS = 1_000_000;

/**
 * Reads `--actions`: a list, or the name of a .npz or .safetensors (`actions`), .json or .txt.
 * @returns one list for all videos, or one each, from a .json
 * @throws {UsageError} not an action of the model, or a file that cannot be read
 */
export async function readActionLists(given: string, classes: Classes): Promise<number[][]> {
  switch (extname(given).toLowerCase()) {
    case ".npz":
      return [await readArray(given, classes)];
    case ".safetensors":
      return await readTensor(given, classes);
    case ".json":
    case ".txt":
      return parseActionText(await readText(given, `actions "${given}"`), given, classes);
    default:
      return [parseClassList(given, classes)];
  }
}

async function readArray(path: string, classes: Classes): Promise<number[]> {
  using file = await NpzFile.open(path);
  const { shape, data } = await file.readList("actions");
  if (shape.length !== 1) {
    throw new UsageError(
      `Cannot read actions "${path}": "actions" must be [frames], but is [${shape.join(", ")}]`,
    );
  }
  return checkIndices(Array.from(data, Number), path, classes);
}

async function readTensor(path: string, classes: Classes): Promise<number[][]> {
  using file = await SafetensorsFile.open(path);
  const lists = await tensorActions(file);
  if (lists) return lists.map((list) => checkIndices(list, path, classes));
  throw new UsageError(`Cannot read actions "${path}": it has no tensor "actions"`);
}

/**
 * `actions` [frames] or [videos, frames] of a file of tensors; FAR's tools name them `action`.
 * @returns one list for all videos, or one each
 */
export async function tensorActions(file: SafetensorsFile): Promise<number[][] | undefined> {
  for (const name of ["actions", "action"]) {
    const { shape } = file.tensors.get(name) ?? { shape: [] };
    if (shape.length !== 1 && shape.length !== 2) continue;
    if (shape.reduce((product, n) => product * n, 1) > MOST_ACTIONS) {
      throw new UsageError(
        `Cannot use actions of [${shape.join(", ")}]: the limit is ${MOST_ACTIONS} in all`,
      );
    }
    const values = await readIntegers(file, name);
    const frames = shape.at(-1)!;
    const videos = shape.length === 1 ? 1 : shape[0]!;
    return Array.from(
      { length: videos },
      (_, video) => values.slice(video * frames, (video + 1) * frames),
    );
  }
  return undefined;
}
