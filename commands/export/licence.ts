import { join } from "node:path";
import type { ModelFolder } from "../../app.ts";

const LICENCE = /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i;

/** Copies the model's licence, or writes the one named in far.json. */
export async function copyLicence({ path, far }: ModelFolder, to: string): Promise<void> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(path)) {
    if (isFile && LICENCE.test(name)) names.push(name);
  }
  for (const name of names) await Deno.copyFile(join(path, name), join(to, name));
  if (names.length > 0 || typeof far?.license !== "string") return;
  const model = typeof far.name === "string" ? far.name : "This model";
  await Deno.writeTextFile(join(to, "LICENSE.txt"), `${model}: ${far.license}\n`);
}
