import { extname } from "node:path";
import { createOutput } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import { keepOutputs } from "../../request/existing_outputs.ts";
import type { EvaluateValues } from "./protocol.ts";

const EXTENSIONS = [".html", ".json", ".csv", ".md"];

/**
 * Refuses outputs that cannot be written, before anything is made.
 * @throws {UsageError} a name that says nothing, or nowhere to write
 */
export async function checkOutputs({ output = [], overwrite }: EvaluateValues): Promise<void> {
  for (const path of output) {
    if (!EXTENSIONS.includes(extname(path).toLowerCase())) {
      throw new UsageError(
        `Cannot write "${path}": the name must end in one of ${EXTENSIONS.join(" ")}`,
      );
    }
    await (await createOutput(path)).discard(); // tells whether it could be written
  }
  await keepOutputs(output, { overwrite });
}

/** Where what is made is kept: as asked, else named after the first output, else nowhere for long. */
export function workFolder({ outDir, output = [] }: EvaluateValues): string | undefined {
  if (outDir !== undefined) return outDir;
  const [first] = output;
  return first?.slice(0, first.length - extname(first).length);
}

/** Writes a file whole or not at all. @throws {MediaError} */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await createOutput(path);
  await file.write(bytes);
  await file.commit();
}

/** Writes a text whole or not at all. @throws {MediaError} */
export async function writeText(path: string, text: string): Promise<void> {
  await writeBytes(path, new TextEncoder().encode(text));
}
