import { extname } from "node:path";
import { isFile } from "../../files/file_source.ts";
import { isObject, parseJson } from "../../files/json.ts";
import { MediaError } from "../../media/errors.ts";
import { NpzFile } from "../../media/npz.ts";
import { ACTIONS_KEY, recordedActions } from "../../media/recorded_actions.ts";

/** The possible actions or labels. */
export interface ClassNames {
  readonly count: number;
  /** Names by index, if there are any. */
  readonly names?: readonly string[];
  /** Maps the data's numbers to the model's; identical if absent. */
  readonly numbers?: readonly number[];
}

/** Most actions, since repeats are short to write. */
const MOST_ACTIONS = 1_000_000;
const SIDECARS = [".json", ".txt", ".csv", ".npz"];

/**
 * The actions of a clip, one per frame: from a file of the same name next to it (.json .txt .csv
 * .npz), or its own (`actions` of an .npz), or the metadata of a video made by the tool.
 * @param clip path and contents
 * @returns undefined if there are none
 * @throws {MediaError} a malformed file, or a word that is not an action
 */
export async function clipActions(
  clip: {
    readonly path: string;
    readonly frames: number;
    readonly actions?: readonly number[];
    readonly unusableActions?: string;
    readonly metadata?: Readonly<Record<string, string>>;
  },
  classes: ClassNames,
): Promise<Int32Array | undefined> {
  const sidecar = await findSidecar(clip.path);
  if (sidecar) return checked(await readActionFile(sidecar, classes), sidecar, clip, classes);
  if (clip.unusableActions) throw new MediaError(clip.unusableActions);
  if (clip.actions) return checked(renumbered(clip.actions, classes), clip.path, clip, classes);
  const metadata = clip.metadata ?? {};
  const words = recordedActions(metadata);
  if (!words) return undefined;
  const recorded = indicesOf(words, classes, clip.path);
  // the actions of a video's command may be only for its generated frames
  const isWhole = metadata[ACTIONS_KEY] !== undefined || recorded.length === clip.frames;
  return isWhole ? checked(recorded, clip.path, clip, classes) : undefined;
}

/**
 * The words and numbers that a clip's actions are given by, without repeats.
 * @param clip as `clipActions` takes it
 * @returns undefined where there are none
 * @throws {MediaError} a file that is malformed
 */
export async function actionWords(
  clip: Omit<Parameters<typeof clipActions>[0], "frames">,
): Promise<string[] | undefined> {
  const sidecar = await findSidecar(clip.path);
  const words = sidecar !== undefined
    ? /\.npz$/i.test(sidecar)
      ? await readActionFile(sidecar, { count: Infinity })
      : wordsOf((await Deno.readTextFile(sidecar)).replace(/^\ufeff/, ""), sidecar)
    : clip.actions ?? recordedActions(clip.metadata ?? {});
  return words && [...new Set(words.map((word) => String(word).trim().replace(/\*\d+$/, "")))];
}

async function findSidecar(path: string): Promise<string | undefined> {
  const own = extname(path);
  const stem = own ? path.slice(0, -own.length) : path;
  for (const extension of SIDECARS) {
    const candidate = stem + extension;
    if (candidate !== path && await isFile(candidate)) return candidate;
  }
  return undefined;
}

/**
 * Reads actions from a .json (a list, or an object with `actions`), .txt (words between commas,
 * spaces and lines, `name*8` repeats, `#` comments), .csv (the column `action`, else the last) or
 * .npz (`actions`).
 * @throws {MediaError}
 */
export async function readActionFile(path: string, classes: ClassNames): Promise<number[]> {
  if (path.toLowerCase().endsWith(".npz")) {
    using file = await NpzFile.open(path);
    return renumbered(Array.from((await file.readList("actions")).data, Number), classes);
  }
  const text = (await Deno.readTextFile(path)).replace(/^\ufeff/, "");
  const words = wordsOf(text, path);
  return indicesOf(words, classes, path);
}

/** Indices of words. @throws {MediaError} a word that is not an action, or too many actions */
function indicesOf(words: readonly (string | number)[], classes: ClassNames, path: string) {
  const all: number[] = [];
  for (const word of words) {
    for (const index of classIndex(word, classes, path)) all.push(index);
    if (all.length > MOST_ACTIONS) {
      throw new MediaError(
        `Cannot use the actions of "${path}": there are more than ${MOST_ACTIONS}`,
      );
    }
  }
  return all;
}

function wordsOf(text: string, path: string): (string | number)[] {
  switch (extname(path).toLowerCase()) {
    case ".json":
      return jsonWords(text, path);
    case ".csv":
      return csvWords(text, path);
    default:
      return text.replace(/#.*$/gm, "").split(/[,\s]+/).filter((word) => word !== "");
  }
}

function jsonWords(text: string, path: string): (string | number)[] {
  const bad = (why: string) => new MediaError(`Cannot read actions "${path}": ${why}`);
  let json;
  try {
    json = parseJson(new TextEncoder().encode(text));
  } catch (error) {
    throw bad((error as Error).message);
  }
  const list = isObject(json) ? json.actions : json;
  const isWords = (value: unknown): value is (string | number)[] =>
    Array.isArray(value) && value.every((item) => ["string", "number"].includes(typeof item));
  if (isWords(list)) return list;
  throw bad('it must be a list of numbers and names, or an object with such a list in "actions"');
}

/** One line per frame; a first line without numbers or with `action` in it is the heading. */
function csvWords(text: string, path: string): string[] {
  const rows = text.split(/\r?\n/).filter((line) => line.trim() !== "")
    .map((line) => line.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")));
  const heading = rows[0]?.map((cell) => cell.toLowerCase()) ?? [];
  if (heading.includes("time") && (heading.includes("keys") || heading.includes("key"))) {
    throw new MediaError(
      `Cannot use the actions of "${path}": it is a log of keys: "far import" makes clips of it`,
    );
  }
  const column = heading.findIndex((cell) => cell === "action" || cell === "actions");
  const lines = column >= 0 ? rows.slice(1) : rows;
  return lines.map((row) => row.at(column >= 0 ? column : -1) ?? "");
}

/** A name or number, perhaps repeated: `left*3`. @throws {MediaError} it is not an action */
function classIndex(word: string | number, classes: ClassNames, path: string): number[] {
  const text = String(word).trim();
  const [, name, times] = /^(.+?)\*(\d{1,7})$/.exec(text) ?? [undefined, text, "1"];
  const named = classes.names?.findIndex((known) => known.toLowerCase() === name!.toLowerCase());
  const index = named !== undefined && named >= 0
    ? named
    : /^\d+$/.test(name!)
    ? renumbered([Number(name)], classes)[0]!
    : -1;
  if (index < 0) {
    throw new MediaError(`Cannot use action "${text}" of "${path}": ${allowed(classes)}`);
  }
  return new Array<number>(Number(times)).fill(index);
}

/** Converts the data set's numbers to the model's. */
function renumbered(actions: readonly number[], { numbers }: ClassNames): number[] {
  return actions.map((action) => numbers?.[action] ?? action);
}

function checked(
  actions: readonly number[],
  from: string,
  { path, frames }: { readonly path: string; readonly frames: number },
  classes: ClassNames,
): Int32Array {
  if (actions.length !== frames) {
    throw new MediaError(
      `Cannot use the actions of "${from}": "${path}" has ${frames} frames, but there are ` +
        `${actions.length} actions`,
    );
  }
  const strange = actions.find((a) => !Number.isInteger(a) || a < 0 || a >= classes.count);
  if (strange === undefined) return Int32Array.from(actions);
  throw new MediaError(`Cannot use action ${strange} of "${from}": ${allowed(classes)}`);
}

function allowed({ count, names }: ClassNames): string {
  if (!names?.length || count > 40) return `actions are the numbers 0 to ${count - 1}`;
  return `actions are ${names.map((name, index) => `${name} (${index})`).join(", ")}`;
}
