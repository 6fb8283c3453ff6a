import { UsageError } from "../cli/errors.ts";
import { didYouMean } from "../cli/suggest.ts";
import { parseJsonText } from "../cli/json_text.ts";

/** The actions or labels of a model, by index; the null class has the index `count`. */
export interface Classes {
  readonly kind: "action" | "label";
  readonly count: number;
  /** Names by index, if the model folder has them. */
  readonly names?: readonly string[];
}

const MOST_REPEATS = 1_000_000;

/**
 * Reads `forward*8,3,left`: names or numbers with optional repeats.
 * @throws {UsageError} lists what is allowed
 */
export function parseClassList(text: string, classes: Classes): number[] {
  const items = text.split(/[,\n]/).flatMap((part) => {
    const item = part.trim();
    return isNamed(item, classes) ? [item] : item.split(/\s+/); // names may contain spaces
  }).filter((item) => item !== "");
  if (/,\s*,/.test(text)) {
    throw new UsageError(`Cannot use a list of ${classes.kind}s with nothing between two commas`);
  }
  if (items.length === 0) throw new UsageError(`Cannot use an empty list of ${classes.kind}s`);
  return new Gatherer(classes).gather(items, (item) => parseItem(item, classes));
}

/** Expands lists within a limit: a few letters can stand for a million actions. */
class Gatherer {
  #left = MOST_REPEATS;

  constructor(readonly classes: Classes) {}

  /** @throws {UsageError} if all lists together become too long */
  gather<T>(items: readonly T[], parse: (item: T) => readonly number[]): number[] {
    const list: number[] = [];
    for (const item of items) {
      const indices = parse(item);
      this.#left -= indices.length;
      if (this.#left < 0) {
        const { kind } = this.classes;
        throw new UsageError(`Cannot use a list of more than ${MOST_REPEATS} ${kind}s`);
      }
      for (const index of indices) list.push(index); // spreading this many overflows the stack
    }
    return list;
  }
}

const REPEATED = /^(.+?)\*(\d+)$/;

function isNamed(item: string, { names }: Classes): boolean {
  const name = (item.match(REPEATED)?.[1] ?? item).toLowerCase();
  return names?.some((known) => known.toLowerCase() === name) ?? false;
}

function parseItem(item: string, classes: Classes): number[] {
  const match = item.match(REPEATED);
  const [word, repeats] = match ? [match[1]!, Number(match[2])] : [item, 1];
  if (repeats < 1 || repeats > MOST_REPEATS) {
    throw new UsageError(`Cannot use "${item}": repeats must be from 1 to ${MOST_REPEATS}`);
  }
  return new Array<number>(repeats).fill(classIndex(word, classes));
}

/** The index of an action or label, given by number or name. @throws {UsageError} */
export function classIndex(word: string | number, classes: Classes): number {
  const { kind, count, names } = classes;
  const text = String(word);
  const named = names?.findIndex((name) => name.toLowerCase() === text.toLowerCase()) ?? -1;
  if (named >= 0 && named < count) return named;
  if (/^\d+$/.test(text) && Number(text) < count) return Number(text);
  const hint = didYouMean(text, names ?? []);
  throw new UsageError(`Cannot use ${kind} "${text}"${hint}: ${allowed(classes)}`);
}

/** `actions are forward (0), left (1), ...`, or the range of numbers. */
export function allowed({ kind, count, names }: Classes): string {
  if (names && names.length > 0 && count <= 40) {
    const list = Array.from({ length: count }, (_, i) => names[i] ? `${names[i]} (${i})` : `${i}`);
    return `${kind}s are ${list.join(", ")}`;
  }
  return `${kind}s are the numbers 0 to ${count - 1}`;
}

/** `forward*8,left*3`: the shortest notation for these indices. */
export function formatClassList(indices: readonly number[], names?: readonly string[]): string {
  const items: string[] = [];
  for (let start = 0; start < indices.length;) {
    let end = start + 1;
    while (end < indices.length && indices[end] === indices[start]) end++;
    const name = names?.[indices[start]!] ?? String(indices[start]);
    items.push(end - start > 1 ? `${name}*${end - start}` : name);
    start = end;
  }
  return items.join(",");
}

/**
 * Reads the text of a .json or .txt file of actions: a JSON array (or an object with `actions`) of
 * numbers and names, or of one such array per video; or a list as on the command line on any number
 * of lines, `#` to the end of a line being a comment.
 * @returns one list for all videos, or one each
 * @throws {UsageError}
 */
export function parseActionText(text: string, path: string, classes: Classes): number[][] {
  if (!path.toLowerCase().endsWith(".json")) {
    return [inFile(path, () => parseClassList(text.replace(/#.*$/gm, ""), classes))];
  }
  const json = parseJsonText(text, `actions "${path}"`);
  const list = Array.isArray(json) ? json : (json as { actions?: unknown } | null)?.actions;
  const lists: unknown = Array.isArray(list) && Array.isArray(list[0]) ? list : [list];
  if (!isActionLists(lists)) {
    throw new UsageError(
      `Cannot read actions "${path}": it must be an array of numbers and names, an array of one ` +
        'such array per video, or an object with either in "actions"',
    );
  }
  const gatherer = new Gatherer(classes);
  const parse = (item: string | number) => parseClassList(String(item), classes);
  return lists.map((items) => inFile(path, () => gatherer.gather(items, parse)));
}

function isActionLists(lists: unknown): lists is (number | string)[][] {
  const isItem = (item: unknown) => typeof item === "number" || typeof item === "string";
  return Array.isArray(lists) &&
    lists.every((list) => Array.isArray(list) && list.length > 0 && list.every(isItem));
}

/** Numbers from an array file. @throws {UsageError} if one is not an action of the model */
export function checkIndices(numbers: readonly number[], path: string, classes: Classes): number[] {
  return inFile(path, () => numbers.map((number) => classIndex(number, classes)));
}

/** Adds the file's name to errors of reading actions. */
export function inFile(path: string, read: () => number[]): number[] {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message} (in "${path}")`);
  }
}

/** Inputs for assigning actions to frames. */
export interface ActionPlan {
  /** The user's list. */
  readonly given?: readonly number[];
  /** The clip's own, from the first context frame on; may go beyond the context. */
  readonly clip?: readonly number[];
  /** Frames of context. */
  readonly context: number;
  /** Frames to generate. */
  readonly frames: number;
  readonly classes: Classes;
}

/**
 * One action for each frame, context first; action i is the move that leads to frame i. A given
 * list covers all frames or only the generated ones; then the context has the clip's own, or the
 * null action. Without a list, the clip's own actions must reach to the last frame.
 * @throws {UsageError} too few, or too many
 */
export function planActions({ given, clip, context, frames, classes }: ActionPlan): number[] {
  const total = context + frames;
  if (given === undefined) {
    if (clip && clip.length >= total) return clip.slice(0, total);
    throw new UsageError(missingText(clip?.length ?? 0, context, frames, classes));
  }
  if (given.length === total) return [...given];
  if (given.length === frames) {
    const own = clip?.slice(0, context) ?? [];
    const none = new Array<number>(context - own.length).fill(classes.count);
    return [...own, ...none, ...given];
  }
  const all = context > 0 ? `, or ${total} with those of the ${context} context frames` : "";
  throw new UsageError(
    `Cannot use ${given.length} action${given.length === 1 ? "" : "s"} for ${frames} generated ` +
      `frames: give ${frames}${all}`,
  );
}

function missingText(has: number, context: number, frames: number, classes: Classes): string {
  const own = has > 0
    ? `the context's own actions end at frame ${has} of ${context + frames}`
    : "this model needs one per frame";
  return `Cannot generate ${frames} frames without actions: ${own}; give --actions ` +
    `(${allowed(classes)}) or --guidance -1`;
}

/** The list cut to `frames`, or repeated until it is as long, so that defaults fit any length. */
export function fitLength(list: readonly number[], frames: number): number[] {
  return Array.from({ length: frames }, (_, i) => list[i % list.length]!);
}
