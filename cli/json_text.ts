import { parseJson } from "../app.ts";
import { UsageError } from "./errors.ts";

/**
 * Reads the text of a JSON file, or of a line of one, strictly: a key that is there twice is a mistake.
 * @param what the file and what it is, for the message: `settings "a.json"`
 * @throws {UsageError} it is no JSON
 */
export function parseJsonText(text: string, what: string): unknown {
  try {
    return parseJson(new TextEncoder().encode(text));
  } catch (error) {
    throw new UsageError(`Cannot read ${what}: ${(error as Error).message}`);
  }
}
