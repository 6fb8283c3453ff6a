import { isObject, isTexts, JsonError, parseJson } from "../../files/json.ts";
import { MediaError, reasonOf } from "../../media/errors.ts";
import { type KeyMoment, keyName } from "./key_log.ts";

/** Which keys mean which action. */
export interface KeyMap {
  /** Names by index. */
  readonly actions: readonly string[];
  /** In the order in which they are tried: more keys first, then in the file's order. */
  readonly chords: readonly { readonly keys: readonly string[]; readonly action: number }[];
  /** Action of a frame without a key; undefined drops the frame. */
  readonly idle: number | undefined;
}

/** Action for frames without a key: "drop" omits them. */
export const DROP = "drop";

/**
 * Reads a map from keys to names of actions: `{"w": "forward", "a": "left", "w+a": "veer"}`.
 * Actions are numbered in order, or by a list `actions` next to `keys`.
 * @param idle name of the action of frames without a key, or `DROP`
 * @throws {MediaError} names file and entry of the problem
 */
export async function readKeyMap(path: string, idle: string): Promise<KeyMap> {
  let text = "";
  const refuse: Refuse = (why, entry) => {
    const line = typeof entry === "string" ? lineOf(text, entry) : entry;
    const where = line === undefined ? `key map "${path}"` : `${path}:${line}`;
    return new MediaError(`Cannot use ${where}: ${why}`);
  };
  let json: unknown;
  try {
    const bytes = await Deno.readFile(path);
    text = new TextDecoder().decode(bytes);
    json = parseJson(bytes);
  } catch (error) {
    throw refuse(reasonOf(error), error instanceof JsonError ? error.line : undefined);
  }
  if (!isObject(json)) throw refuse("it must be a JSON object of keys and names of actions");
  const keys = isObject(json.keys) ? json.keys : json;
  const entries = Object.entries(keys);
  const strange = entries.find(([key, name]) => typeof name !== "string" || key.trim() === "");
  if (strange) {
    const key = JSON.stringify(strange[0]);
    throw refuse(`${key} must be a key with the name of an action`, strange[0]);
  }
  if (entries.length === 0) throw refuse("it has no keys");
  const pairs = entries as [string, string][];
  const actions = actionsOf(json.actions, pairs, idle, refuse);
  const chords = pairs.map(([key, name]) => ({
    keys: key === "+" ? ["+"] : key.split("+").map(keyName),
    action: actions.indexOf(name),
  }));
  chords.sort((a, b) => b.keys.length - a.keys.length);
  return { actions, chords, idle: idle === DROP ? undefined : actions.indexOf(idle) };
}

function actionsOf(
  given: unknown,
  pairs: readonly [string, string][],
  idle: string,
  refuse: Refuse,
): string[] {
  const used = new Set([...pairs.map(([, name]) => name), ...idle === DROP ? [] : [idle]]);
  if (given === undefined || typeof given === "string") return [...used];
  if (!isTexts(given)) throw refuse('"actions" must be a list of names');
  const missing = [...used].find((name) => !given.includes(name));
  if (missing !== undefined) {
    throw refuse(`action "${missing}" is not in its list of actions`, missing);
  }
  return given;
}

/** Makes an error, about a text of the file or a line if one is given. */
type Refuse = (why: string, entry?: string | number) => MediaError;

/** Where a JSON file has a text first. */
function lineOf(text: string, entry: string): number | undefined {
  const index = text.split(/\r?\n/).findIndex((line) => line.includes(JSON.stringify(entry)));
  return index < 0 ? undefined : index + 1;
}

/**
 * The action that led to each frame, frame by frame: the keys held longest since the previous one.
 * A key pressed in between counts even if it was released at once.
 */
export class ActionReader {
  readonly #moments: readonly KeyMoment[];
  readonly #map: KeyMap;
  #next = 0;
  #held: number | undefined;
  #last: number | undefined;

  constructor(moments: readonly KeyMoment[], map: KeyMap) {
    this.#moments = moments;
    this.#map = map;
  }

  /**
   * @param time of the next frame in seconds by the log's clock, not before the last one
   * @returns undefined for a frame to drop
   */
  at(time: number): number | undefined {
    const seconds = new Map<number | undefined, number>();
    const begun: number[] = [];
    let since = this.#last ?? time;
    const hold = (until: number) => {
      seconds.set(this.#held, (seconds.get(this.#held) ?? 0) + until - since);
      since = until;
    };
    const moments = this.#moments;
    for (; this.#next < moments.length && moments[this.#next]!.time <= time; this.#next++) {
      hold(moments[this.#next]!.time);
      this.#held = actionOf(moments[this.#next]!.keys, this.#map);
      if (this.#held !== undefined) begun.push(this.#held);
    }
    hold(time);
    const first = this.#last === undefined;
    this.#last = time;
    if (first) return this.#held ?? this.#map.idle;
    const order = [...seconds].sort(([, a], [, b]) => b - a).map(([action]) => action);
    return order[0] ?? order.find((action) => begun.includes(action!)) ?? begun[0] ??
      this.#map.idle;
  }
}

/** Keys of a log that mean nothing by the map, alone or with others. */
export function unknownKeys(moments: readonly KeyMoment[], { chords }: KeyMap): string[] {
  const known = new Set(chords.flatMap(({ keys }) => keys));
  const all = new Set(moments.flatMap(({ keys }) => [...keys]));
  return [...all].filter((key) => !known.has(key));
}

function actionOf(keys: ReadonlySet<string>, { chords }: KeyMap): number | undefined {
  return chords.find((chord) => chord.keys.every((key) => keys.has(key)))?.action;
}
