import { basename, dirname, join } from "node:path";
import { MediaError, reasonOf } from "./errors.ts";

const IMAGE_NAME = /^[^.].*\.(png|jpe?g|webp)$/i;
const PLACEHOLDER = /%(0\d+)?d/;

/** Whether a name stands for numbered files, such as `frame_%03d.png`. */
export function isPattern(path: string): boolean {
  return PLACEHOLDER.test(basename(path));
}

/** Whether a source is numbered files: a pattern, and not by chance the name of one file. */
export async function isNumbered(source: string): Promise<boolean> {
  return isPattern(source) && !await Deno.stat(source).then(() => true, () => false);
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
  const [before, after] = splitPattern(basename(path));
  const found: { name: string; number: number }[] = [];
  for (const name of await namesIn(dirname(path), path)) {
    if (name.length < before.length + after.length) continue;
    const digits = name.slice(before.length, name.length - after.length);
    const matches = name.startsWith(before) && name.endsWith(after) && /^\d+$/.test(digits);
    if (matches) found.push({ name, number: Number(digits) });
  }
  if (found.length === 0) {
    throw new MediaError(`Cannot read "${path}": no file matches the pattern`);
  }
  found.sort((a, b) => a.number - b.number || (a.name < b.name ? -1 : 1));
  return found.map(({ name }) => join(dirname(path), name));
}

/** The name of one numbered file of a pattern. */
export function numberedName(path: string, number: number): string {
  const width = Number(PLACEHOLDER.exec(basename(path))?.[1] ?? 0);
  const [before, after] = splitPattern(basename(path));
  return join(dirname(path), `${before}${String(number).padStart(width, "0")}${after}`);
}

function splitPattern(name: string): [string, string] {
  const found = PLACEHOLDER.exec(name)!;
  return [name.slice(0, found.index), name.slice(found.index + found[0].length)];
}

async function namesIn(folder: string, source: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter((entry) => !entry.isDirectory).map((entry) => entry.name);
  } catch (error) {
    throw new MediaError(`Cannot read "${source}": ${reasonOf(error)}`);
  }
}
