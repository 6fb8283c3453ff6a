import { fileURLToPath } from "node:url";
import { UsageError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

/** The model that is part of the program. */
export const DEMO = "demo";

/**
 * The folder a `--model` means: the built-in demo, or a path.
 * @throws {UsageError} when there is neither
 */
export async function modelPath(name: string): Promise<string> {
  if (name === DEMO) return fileURLToPath(new URL("../weights/demo", import.meta.url));
  const found = await Deno.stat(name).catch(() => undefined);
  if (found) return name;
  throw new UsageError(
    `Cannot find model "${name}": there is no such folder, and no pulled model has that name` +
      didYouMean(name, [DEMO]),
  );
}
