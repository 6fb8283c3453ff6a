import { UsageError } from "./errors.ts";

/**
 * Reads a text file that the user names, without the byte order mark that some editors add.
 * @param what kind and name of the file, for the message: `settings "a.json"`
 * @throws {UsageError} it cannot be read
 */
export async function readText(path: string, what: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).replace(/^\ufeff/, "");
  } catch (error) {
    throw new UsageError(`Cannot read ${what}: ${whyUnreadable(error)}`);
  }
}

/** Why a file cannot be opened, in few words. */
export function whyUnreadable(error: unknown): string {
  return error instanceof Deno.errors.NotFound ? "there is no such file" : (error as Error).message;
}
