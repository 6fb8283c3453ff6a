import { join } from "node:path";
import { MediaError } from "./errors.ts";
import { namesIn, numberedFiles } from "./numbered_names.ts";

const IMAGE_NAME = /^[^.].*\.(png|jpe?g|webp)$/i;

/** Whether the path is a folder; if nothing exists there, opening it will give the error. */
export async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then((found) => found.isDirectory, () => false);
}

/**
 * The images in a folder in natural order: `2.png` comes before `10.png`.
 *
 * @throws {MediaError} when there are none
 */
export async function imagesInFolder(path: string): Promise<string[]> {
  const names = (await namesIn(path, path)).filter((name) => IMAGE_NAME.test(name));
  if (names.length === 0) {
    throw new MediaError(`Cannot read "${path}": the folder contains no .png, .jpg or .webp`);
  }
  const { compare } = new Intl.Collator("en", { numeric: true });
  return names.sort((a, b) => compare(a, b) || (a < b ? -1 : 1)).map((name) => join(path, name));
}

/**
 * The files that a `%d` pattern stands for, by number. Gaps are allowed.
 *
 * @throws {MediaError} when there are none
 */
export async function imagesOfPattern(path: string): Promise<string[]> {
  const found = await numberedFiles(path);
  if (found.length > 0) return found;
  throw new MediaError(`Cannot read "${path}": no file matches the pattern`);
}
