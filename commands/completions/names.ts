import { localModels, openModelFolder } from "../../app.ts";
import { hubSettings, PRESETS } from "../../mod.ts";
import { environment } from "../../cli/environment.ts";
import type { Asked } from "./words.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";

/**
 * Names that fit at the cursor.
 * @param words of the command line; the last one is completed
 */
export async function names(asked: Asked, words: readonly string[]): Promise<string[]> {
  switch (asked) {
    case "released":
      return PRESETS.map(({ name }) => name);
    case "local":
      return words.at(-2) === "models" ? ["rm"] : await localNames();
    case "models":
      return [...new Set([DEMO, ...await localNames(), ...PRESETS.map(({ name }) => name)])];
    case "actions":
      return await actions(words);
  }
}

async function localNames(): Promise<string[]> {
  return (await localModels(await hubSettings(environment))).map(({ name }) => name);
}

/** The model's actions, appended to those already typed: `left,` becomes `left,forward`. */
async function actions(words: readonly string[]): Promise<string[]> {
  const { far } = await openModelFolder(await modelPath(modelOf(words)));
  const known = Array.isArray(far?.actions) ? far.actions : [];
  const before = /^.*,/.exec(words.at(-1) ?? "")?.[0] ?? "";
  return known.filter((name) => typeof name === "string" && !/\s/.test(name))
    .map((name) => before + name);
}

/** The model on a command line: `-m NAME`, `--model NAME` or `--model=NAME`. */
function modelOf(given: readonly string[]): string {
  const words = given.filter((word) => word !== "="); // bash splits there
  const at = words.findLastIndex((word) => word === "-m" || word === "--model");
  const glued = words.findLast((word) => word.startsWith("--model="))?.slice("--model=".length);
  return (at >= 0 ? words[at + 1] : glued) ?? environment("FAR_MODEL") ?? DEMO;
}
