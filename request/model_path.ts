import { fileURLToPath } from "node:url";
import { findModel, localModels } from "../app.ts";
import { type HubSettings, hubSettings, PRESETS } from "../mod.ts";
import { environment } from "../cli/environment.ts";
import { UsageError } from "../cli/errors.ts";
import { fullName } from "../cli/short_name.ts";
import { didYouMean } from "../cli/suggest.ts";

/** The built-in model. */
export const DEMO = "demo";

/** Whether a name may be a short form, not a path. */
function isShort(name: string): boolean {
  return !/[/\\]|^\./.test(name);
}

/** The model on this machine for a short name. @throws {UsageError} it is ambiguous */
async function localName(short: string, settings: HubSettings): Promise<string | undefined> {
  const names = (await localModels(settings)).map(({ name }) => name);
  return fullName(short, [DEMO, ...names]);
}

/**
 * The folder for `--model`: the built-in demo, a path, or a pulled model by its name or a short
 * form.
 * @throws {UsageError} if there is none
 */
export async function modelPath(name: string): Promise<string> {
  if (name === DEMO) return fileURLToPath(new URL("../weights/demo", import.meta.url));
  const found = await Deno.stat(name).catch(() => undefined);
  if (found) return name;
  const settings = await hubSettings(environment);
  const pulled = await findModel(name, settings);
  if (pulled) return pulled;
  const short = isShort(name) ? await localName(name, settings) : undefined;
  if (short !== undefined) return await modelPath(short);
  const released = PRESETS.map((preset) => preset.name);
  const whole = isShort(name) ? fullName(name, released) : undefined;
  throw new UsageError(
    `Cannot find model "${name}": there is no such folder, and no pulled model has that name` +
      (whole !== undefined
        ? `; fetch it with far pull ${whole}`
        : didYouMean(name, [DEMO, ...released])),
  );
}
