import { basename, dirname, join } from "node:path";
import { finalName, patternExpression } from "../app.ts";
import { entriesIn } from "../cli/folder.ts";
import { isInside } from "./inside.ts";
import { outputPath } from "./plan/identity.ts";
import { isSequence } from "./plan/output_names.ts";

/** Leftovers of killed processes in a folder. Each subfolder is read once. */
export class Leftovers {
  readonly #found = new Map<string, Promise<string[]>>();

  constructor(private readonly folder: string) {}

  /**
   * Removes leftovers of these outputs only, since other batches may be writing next to them.
   * @param outputs names relative to the folder; `%d` stands for any number
   * @returns how many files
   */
  async remove(outputs: Iterable<string>): Promise<number> {
    const byFolder = new Map<string, { exact: Set<string>; patterns: RegExp[] }>();
    for (const output of outputs) {
      const path = outputPath(this.folder, output);
      const names = byFolder
        .getOrInsertComputed(dirname(path), () => ({ exact: new Set(), patterns: [] }));
      if (isSequence(output)) names.patterns.push(patternExpression(basename(path)));
      else names.exact.add(basename(path));
    }
    let removed = 0;
    for (const [path, { exact, patterns }] of byFolder) {
      const partials = this.#found.getOrInsertComputed(path, (folder) => this.#look(folder));
      for (const partial of await partials) {
        const name = finalName(partial)!;
        if (!exact.has(name) && !patterns.some((pattern) => pattern.test(name))) continue;
        await Deno.remove(join(path, partial)).then(() => removed++, () => {}); // already gone
      }
    }
    return removed;
  }

  /** A link may lead out of the folder, to files of others. */
  async #look(folder: string): Promise<string[]> {
    const entries = await isInside(folder, [this.folder]) ? await entriesIn(folder) : [];
    return entries.filter(({ isFile }) => isFile).map(({ name }) => name)
      .filter((name) => finalName(name) !== undefined);
  }
}

/** Removes leftovers of these outputs now. @returns how many files */
export async function removePartials(folder: string, outputs: Iterable<string>): Promise<number> {
  return await new Leftovers(folder).remove(outputs);
}
