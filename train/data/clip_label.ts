import { basename, dirname, extname } from "node:path";
import { isFile } from "../../files/file_source.ts";
import { MediaError } from "../../media/errors.ts";
import type { ClassNames } from "./clip_actions.ts";

/**
 * The label of a clip: the only word of a .txt of the same name, or the name of its folder if that
 * is a label.
 * @returns undefined if there is none
 * @throws {MediaError} a .txt without a valid label
 */
export async function clipLabel(path: string, labels: ClassNames): Promise<Int32Array | undefined> {
  const sidecar = path.slice(0, path.length - extname(path).length) + ".txt";
  if (await isFile(sidecar)) {
    const word = (await Deno.readTextFile(sidecar)).trim();
    const index = labelIndex(word, labels);
    if (index !== undefined) return Int32Array.of(index);
    throw new MediaError(`Cannot use label "${word}" of "${sidecar}": labels are ${known(labels)}`);
  }
  const index = labelIndex(basename(dirname(path)), labels);
  return index === undefined ? undefined : Int32Array.of(index);
}

function labelIndex(word: string, { count, names }: ClassNames): number | undefined {
  const named = names?.findIndex((name) => name.toLowerCase() === word.toLowerCase()) ?? -1;
  if (named >= 0) return named;
  return /^\d+$/.test(word) && Number(word) < count ? Number(word) : undefined;
}

function known({ count, names }: ClassNames): string {
  return names && count <= 40 ? names.join(", ") : `the numbers 0 to ${count - 1}`;
}
