import { localModels, modelFiles, presetStates, removeFiles } from "../../app.ts";
import { hubSettings } from "../../mod.ts";
import { sizeText } from "../../cli/amounts.ts";
import type { Call } from "../../cli/command.ts";
import { environment } from "../../cli/environment.ts";
import { UsageError } from "../../cli/errors.ts";
import { fullName, nearName } from "../../cli/short_name.ts";
import { DEMO } from "../../request/model_path.ts";
import type { MODELS_OPTIONS } from "./spec.ts";

/**
 * `far models rm NAME`: removes a pulled model. @throws {UsageError} no such model, or no
 * confirmation
 */
export async function remove(
  given: string,
  { options, terminal }: Call<typeof MODELS_OPTIONS>,
): Promise<void> {
  const settings = await hubSettings(environment);
  const here = (await localModels(settings)).map(({ name }) => name);
  const fetched = (await presetStates(settings)).filter(({ state }) => state === "downloaded");
  const names = [...here, ...fetched.map(({ name }) => name)];
  const name = fullName(given, names);
  if (name === undefined) {
    const why = given === DEMO ? "it is part of the program" : "no pulled model has that name";
    throw new UsageError(`Cannot remove "${given}": ${why}${nearName(given, names)}`);
  }
  const files = await modelFiles(name, settings);
  if (files.paths.length === 0) {
    throw new UsageError(`Cannot remove "${name}": other converted models need its files`);
  }
  const what = `${name} (${sizeText(files.bytes)})`;
  if (!options.yes) {
    if (!Deno.stdin.isTerminal() || !terminal.live) {
      throw new UsageError(`Cannot ask whether to remove ${what}: say --yes`);
    }
    if (!confirm(`Remove ${what}?`)) return terminal.note("nothing was removed");
  }
  await removeFiles(files);
  const json = { removed: name, paths: files.paths, bytes: files.bytes };
  const text = options.json ? JSON.stringify(json, null, 2) : `Removed ${what}`;
  if (options.json || !options.quiet) await terminal.print(`${text}\n`);
}
