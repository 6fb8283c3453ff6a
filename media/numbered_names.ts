import { basename, dirname } from "node:path";
import { MediaError, reasonOf } from "./errors.ts";

/** A part of a pattern: literal text, or a number with at least so many digits. */
type Part = string | { readonly width: number };

const PLACE = /%%|%(\d*)d/;
/** Forms that C's printf accepts but FFmpeg does not. */
const OTHER_FORM = /%([-+#']+\d*d|[-+#']*\d*[iu](?![a-z]))/;

/**
 * Parses a pattern. `%d` is the number, `%4d` and `%04d` the number with zeros before it to four
 * digits, `%%` a percent sign. Source: FFmpeg's `av_get_frame_filename2`
 */
function partsOf(name: string): Part[] {
  const found = PLACE.exec(name);
  if (!found) return [name];
  const part = found[0] === "%%" ? "%" : { width: Number(found[1]) };
  const rest = partsOf(name.slice(found.index + found[0].length));
  return [name.slice(0, found.index), part, ...rest];
}

/** Whether a name is a pattern for numbered files, such as `frame_%03d.png`. */
export function isPattern(path: string): boolean {
  return partsOf(basename(path)).some((part) => typeof part !== "string");
}

/**
 * Whether a source means numbered files: a pattern that is not also the name of an existing file.
 */
export async function isNumbered(source: string): Promise<boolean> {
  return isPattern(source) && !await Deno.stat(source).then(() => true, () => false);
}

/** @throws {MediaError} the name contains an unsupported form of a number */
export function checkNumberForm(path: string): void {
  const form = isPattern(path) ? undefined : OTHER_FORM.exec(basename(path).replaceAll("%%", ""));
  if (!form) return;
  throw new MediaError(
    `Cannot write "${path}": number its files with %d, or %04d for four digits, not ${form[0]}`,
  );
}

/** The name of one numbered file of a pattern. */
export function numberedName(path: string, number: number): string {
  return fillPattern(path, (width) => String(number).padStart(width, "0"));
}

/** A pattern with a text for its number. @param text given the number's digits, as `%04d` says them */
export function fillPattern(path: string, text: (width: number) => string): string {
  const parts = partsOf(basename(path)).map((part) =>
    typeof part === "string" ? part : text(part.width)
  );
  return folderPrefix(path) + parts.join("");
}

/** Matches the names of a pattern, with any number of digits. */
export function patternExpression(path: string): RegExp {
  const literal = (text: string) => text.replace(/[^\w]/g, "\\$&");
  const parts = partsOf(basename(path)).map((part) =>
    typeof part === "string" ? literal(part) : "(\\d+)"
  );
  return new RegExp(`^${literal(folderPrefix(path))}${parts.join("")}$`);
}

/** The path before the file name: `folder/`, or nothing. */
function folderPrefix(path: string): string {
  return path.slice(0, path.length - basename(path).length);
}

/**
 * The files of a `%d` pattern, by number. Gaps are allowed.
 *
 * @throws {MediaError} when the folder cannot be read
 */
export async function numberedFiles(path: string): Promise<string[]> {
  const expression = patternExpression(path);
  const found: { path: string; number: number }[] = [];
  for (const name of await namesIn(dirname(path), path)) {
    const file = folderPrefix(path) + name;
    const number = Number(expression.exec(file)?.[1] ?? NaN);
    if (Number.isSafeInteger(number) && numberedName(path, number) === file) {
      found.push({ path: file, number });
    }
  }
  return found.sort((a, b) => a.number - b.number).map(({ path }) => path);
}

/** The files in a folder. @throws {MediaError} it cannot be read */
export async function namesIn(folder: string, source: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter((entry) => !entry.isDirectory).map((entry) => entry.name);
  } catch (error) {
    throw new MediaError(`Cannot read "${source}": ${reasonOf(error)}`);
  }
}
