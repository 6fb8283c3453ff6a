import { FileSource } from "./file_source.ts";
import { CheckpointError, quote } from "./errors.ts";
import { isObject, type JsonObject, parseJson } from "./json.ts";

/** Longer than any configuration or index. */
const LONGEST = 32 * 1024 * 1024;

/**
 * Reads a JSON object from a file, strictly.
 * @throws {CheckpointError} NotFound, or BadConfig with what is wrong and where
 */
export async function readJson(path: string): Promise<JsonObject> {
  using source = await FileSource.open(path);
  try {
    if (source.size > LONGEST) bad(path, `it has ${source.size} bytes; the limit is ${LONGEST}`);
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes);
    const value = parseJson(bytes);
    if (!isObject(value)) bad(path, "it is not a JSON object");
    return value;
  } catch (error) {
    if (error instanceof SyntaxError) bad(path, error.message);
    throw error;
  }
}

function bad(path: string, why: string): never {
  throw new CheckpointError(`Cannot read ${quote(path)}: ${why}`, {
    file: path,
    reason: "BadConfig",
  });
}
