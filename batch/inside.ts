import { dirname, isAbsolute, relative } from "node:path";
import { numberedFiles } from "../app.ts";
import { MediaError } from "../mod.ts";
import { isSequence } from "./plan/output_names.ts";

/** Whether a path, after following links, is one of the folders or inside one. */
export async function isInside(path: string, folders: readonly string[]): Promise<boolean> {
  const place = await realPath(path);
  if (place === undefined) return false;
  for (const folder of folders) {
    const real = await realPath(folder);
    const inside = real === undefined ? ".." : relative(real, place);
    if (inside !== ".." && !/^\.\.[\\/]/.test(inside) && !isAbsolute(inside)) return true;
  }
  return false;
}

/**
 * Creates the folder of a file inside an existing one; refuses links that lead out of it before
 * creating anything.
 * @throws {MediaError} the folder would lie outside
 */
export async function makeFolderInside(root: string, file: string): Promise<void> {
  const folder = dirname(file);
  let there = file; // the target may itself be a link, which writing would follow
  while (!await exists(there) && dirname(there) !== there) there = dirname(there);
  if (!await isInside(there, [root])) {
    throw new MediaError(`Cannot write "${file}": a link leads out of "${root}"`);
  }
  await Deno.mkdir(folder, { recursive: true });
}

/**
 * The same for the files of a job, those that are there of a `%d` pattern among them.
 * @throws {MediaError} one would lie outside
 */
export async function makeFoldersInside(root: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    await makeFolderInside(root, file);
    if (!isSequence(file)) continue;
    for (const picture of await numberedFiles(file)) await makeFolderInside(root, picture);
  }
}

/** A dangling link exists too. */
async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

async function realPath(path: string): Promise<string | undefined> {
  return await Deno.realPath(path).catch(() => undefined);
}
