import { basename, dirname, join } from "node:path";
import { outputPath } from "./identity.ts";
import { patternOf } from "./output_names.ts";

/** The name of a file that is not finished, with the name it would get. */
const PARTIAL = /^\.(.+)\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.partial$/;

/**
 * Removes what a process that was ended has left of these outputs, and of no others: other batches
 * may be writing beside them.
 * @param outputs names relative to the folder; `%d` stands for any number
 * @returns how many files
 */
export async function removePartials(folder: string, outputs: Iterable<string>): Promise<number> {
  const byFolder = new Map<string, { exact: Set<string>; patterns: RegExp[] }>();
  for (const output of outputs) {
    const path = outputPath(folder, output);
    const names = byFolder.get(dirname(path)) ?? { exact: new Set(), patterns: [] };
    byFolder.set(dirname(path), names);
    if (output.includes("%")) names.patterns.push(patternOf(basename(path)));
    else names.exact.add(basename(path));
  }
  let removed = 0;
  for (const [path, { exact, patterns }] of byFolder) {
    for (const partial of await partialsIn(path)) {
      const name = PARTIAL.exec(partial)![1]!;
      if (!exact.has(name) && !patterns.some((pattern) => pattern.test(name))) continue;
      await Deno.remove(join(path, partial)).then(() => removed++, () => {}); // gone already
    }
  }
  return removed;
}

async function partialsIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile && PARTIAL.test(name)) names.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}
