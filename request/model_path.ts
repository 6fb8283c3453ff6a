import { fileURLToPath } from "node:url";
import { findModel, localModels } from "../app.ts";
import { type HubSettings, hubSettings, PRESETS } from "../mod.ts";
import { environment } from "../cli/environment.ts";
import { UsageError } from "../cli/errors.ts";
import { fullName, nearName } from "../cli/short_name.ts";

/** The built-in model. */
export const DEMO = "demo";

/** Whether a name may be a short form, also of owner/name, and not a path. */
function isShort(name: string): boolean {
  return !/\\|^[./~]|\/.*\/|\/$/.test(name);
}

/** Names of the models on this machine. */
async function localNames(settings: HubSettings): Promise<string[]> {
  return [DEMO, ...(await localModels(settings)).map(({ name }) => name)];
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
  const [here, released] = [await localNames(settings), PRESETS.map((preset) => preset.name)];
  const short = isShort(name) ? fullName(name, here) : undefined;
  if (short !== undefined) return await modelPath(short);
  const whole = isShort(name) ? fullName(name, released) : undefined;
  throw new UsageError(
    `Cannot find model "${name}": there is no such folder, and no pulled model has that name` +
      (whole !== undefined
        ? `; fetch it with far pull ${whole}`
        : nearName(name, [...here, ...released])),
  );
}
