/**
 * Generates the parts of the documentation that come from the code:
 *
 *     deno task docs [--check]
 *
 * docs/commands.md (the tables that parse the command line), the table in docs/models.md, and
 * THIRD_PARTY_LICENSES (the packages in deno.lock).
 * `--check` writes nothing and fails where a page is out of date.
 */
import { COMMANDS } from "../commands/table.ts";
import { markdownManual } from "../commands/manual/markdown.ts";
import { licenceTexts } from "./docs/licences.ts";
import { modelTable } from "./docs/models.ts";

const ROOT = new URL("..", import.meta.url);

/** A page, and how its new text is made from its present one. */
interface Page {
  readonly path: string;
  make(now: string): Promise<string> | string;
}

const PAGES: readonly Page[] = [
  { path: "docs/commands.md", make: () => markdownManual(COMMANDS) },
  { path: "docs/models.md", make: async (now) => between(now, "models", await modelTable()) },
];

/** Needs all packages in Deno's cache, and so is made but not checked. */
const LICENCES: Page = { path: "THIRD_PARTY_LICENSES", make: licenceTexts };

/** The text with new lines between `<!-- begin NAME -->` and `<!-- end NAME -->`. */
function between(text: string, name: string, lines: string): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`There is no place for ${name}`);
  return `${text.slice(0, from + begin.length)}\n${lines}\n${text.slice(to)}`;
}

/** Finds pages that are out of date and, unless only checking, rewrites them. */
export async function makeDocs(check: boolean): Promise<string[]> {
  const stale: string[] = [];
  for (const { path, make } of check ? PAGES : [...PAGES, LICENCES]) {
    const url = new URL(path, ROOT);
    const now = await Deno.readTextFile(url).catch(() => "");
    const made = await make(now);
    if (made === now) continue;
    stale.push(path);
    if (!check) await Deno.writeTextFile(url, made);
  }
  return stale;
}

if (import.meta.main) {
  const check = Deno.args.includes("--check");
  const stale = await makeDocs(check);
  for (const path of stale) console.error(`${path} ${check ? "is out of date" : "is made anew"}`);
  if (check && stale.length > 0) Deno.exit(1);
}
