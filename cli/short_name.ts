import { UsageError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

/** Most names that an error lists. */
const MOST_LISTED = 6;

/**
 * The name for a short form: the name itself, the only one that begins with it, or the only one
 * with all of its words, each of which may be abbreviated (`minecraft`, `far_b_bair`, `ucf101 cond
 * res128`). Of several, the one that all others begin with.
 * @returns undefined if there is none
 * @throws {UsageError} several match, and none is a prefix of the others
 */
export function fullName(short: string, names: readonly string[]): string | undefined {
  if (names.includes(short)) return short;
  const words = wordsOf(short);
  if (words.length === 0) return undefined;
  const begin = names.filter((name) => name.toLowerCase().startsWith(short.toLowerCase()));
  const found = begin.length > 0 ? begin : names.filter((name) => hasWords(wordsOf(name), words));
  const shortest = found.toSorted((a, b) => a.length - b.length)[0];
  if (shortest === undefined || found.every((name) => name.startsWith(shortest))) return shortest;
  const more = found.length > MOST_LISTED ? ` and ${found.length - MOST_LISTED} more` : "";
  throw new UsageError(
    `"${short}" may be any of ${
      found.slice(0, MOST_LISTED).join(", ")
    }${more}: give more of the name`,
  );
}

/** ` (did you mean "minecraft"?)` if a name or one of its words is close, otherwise empty. */
export function nearName(short: string, names: readonly string[]): string {
  return didYouMean(short, [...names, ...names.flatMap((name) => name.split(/[_/]/))]);
}

function wordsOf(name: string): string[] {
  return name.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
}

/** Whether the words are prefixes of words of a name, in order. */
function hasWords(name: readonly string[], words: readonly string[]): boolean {
  let at = 0;
  for (const part of name) if (at < words.length && part.startsWith(words[at]!)) at++;
  return at === words.length;
}
