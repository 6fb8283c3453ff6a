import { extname } from "node:path";
import { createOutput } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import { keepOutputs } from "../../request/existing_outputs.ts";
import type { EvaluateValues } from "./protocol.ts";

const EXTENSIONS = [".html", ".json", ".csv", ".md"];

/**
 * Refuses invalid outputs before anything is generated.
 * @throws {UsageError} an unknown kind of file, or a place that cannot be written
 */
export async function checkOutputs({ output = [], overwrite }: EvaluateValues): Promise<void> {
  for (const path of output) {
    if (!EXTENSIONS.includes(extname(path).toLowerCase())) {
      throw new UsageError(
        `Cannot write "${path}": the name must end in one of ${EXTENSIONS.join(" ")}`,
      );
    }
    await (await createOutput(path)).discard(); // shows whether it can be written
  }
  await keepOutputs(output, { overwrite });
}

/**
 * Folder for generated files: as requested, or named after the first output, or a temporary one.
 */
export function workFolder({ outDir, output = [] }: EvaluateValues): string | undefined {
  if (outDir !== undefined) return outDir;
  const [first] = output;
  return first?.slice(0, first.length - extname(first).length);
}
