import { parseJson } from "../app.ts";
import { UsageError } from "./errors.ts";

/**
 * Reads the text of a JSON file, or of a line of one, strictly: a repeated key is an error.
 * @param what kind and name of the file, for the message: `settings "a.json"`
 * @throws {UsageError} it is not JSON
 */
export function parseJsonText(text: string, what: string): unknown {
  try {
    return parseJson(new TextEncoder().encode(text));
  } catch (error) {
    throw new UsageError(`Cannot read ${what}: ${(error as Error).message}`);
  }
}
