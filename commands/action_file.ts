import { extname } from "node:path";
import { NpzFile } from "../mod.ts";
import { checkIndices, type Classes, parseActionText, parseClassList } from "./actions.ts";
import { UsageError } from "./errors.ts";

/**
 * Reads `--actions`: a list, or the name of a .npz (`actions`), .json or .txt file with one.
 * @throws {UsageError} what is no action of the model, or a file that cannot be read
 */
export async function readActions(given: string, classes: Classes): Promise<number[]> {
  switch (extname(given).toLowerCase()) {
    case ".npz":
      return await readArray(given, classes);
    case ".json":
    case ".txt":
      return parseActionText(await readText(given), given, classes);
    default:
      return parseClassList(given, classes);
  }
}

async function readArray(path: string, classes: Classes): Promise<number[]> {
  using file = await NpzFile.open(path);
  const { shape, data } = await file.read("actions");
  if (shape.length !== 1) {
    throw new UsageError(
      `Cannot read actions "${path}": "actions" must be [frames], but is [${shape.join(", ")}]`,
    );
  }
  return checkIndices(Array.from(data, Number), path, classes);
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : (error as Error).message;
    throw new UsageError(`Cannot read actions "${path}": ${reason}`);
  }
}
