import { UsageError } from "./errors.ts";

/** Names that an error lists at most. */
const MOST_LISTED = 6;

/**
 * The name that a short form means: the name itself, the only one that begins with it, or else the
 * only one that has all of its words, each of which may be cut short (`minecraft`, `far_b_bair`, `ucf101 cond res128`). Of several the one
 * that all the others begin with is meant.
 * @returns undefined where there is none
 * @throws {UsageError} several, none of which the others begin with
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

function wordsOf(name: string): string[] {
  return name.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
}

/** Whether the words begin words of a name, in their order. */
function hasWords(name: readonly string[], words: readonly string[]): boolean {
  let at = 0;
  for (const part of name) if (at < words.length && part.startsWith(words[at]!)) at++;
  return at === words.length;
}
