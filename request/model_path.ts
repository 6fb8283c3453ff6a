import { fileURLToPath } from "node:url";
import { findModel } from "../app.ts";
import { hubSettings, PRESETS } from "../mod.ts";
import { environment } from "../cli/environment.ts";
import { UsageError } from "../cli/errors.ts";
import { didYouMean } from "../cli/suggest.ts";

/** The model that is part of the program. */
export const DEMO = "demo";

/**
 * The folder a `--model` means: the built-in demo, a path, or a pulled model by name.
 * @throws {UsageError} when there is neither
 */
export async function modelPath(name: string): Promise<string> {
  if (name === DEMO) return fileURLToPath(new URL("../weights/demo", import.meta.url));
  const found = await Deno.stat(name).catch(() => undefined);
  if (found) return name;
  const pulled = await findModel(name, await hubSettings(environment));
  if (pulled) return pulled;
  const released = PRESETS.map((preset) => preset.name);
  throw new UsageError(
    `Cannot find model "${name}": there is no such folder, and no pulled model has that name` +
      (released.includes(name)
        ? `; fetch it with far pull ${name}`
        : didYouMean(name, [DEMO, ...released])),
  );
}
