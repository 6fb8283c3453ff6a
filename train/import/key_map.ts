import { parseJson } from "../../files/json.ts";
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
  const refuse = (why: string) => new MediaError(`Cannot use key map "${path}": ${why}`);
  let json: unknown;
  try {
    json = parseJson(await Deno.readFile(path));
  } catch (error) {
    throw refuse(reasonOf(error));
  }
  if (!isObject(json)) throw refuse("it must be a JSON object of keys and names of actions");
  const keys = isObject(json.keys) ? json.keys : json;
  const entries = Object.entries(keys);
  const strange = entries.find(([key, name]) => typeof name !== "string" || key.trim() === "");
  if (strange) {
    throw refuse(`${JSON.stringify(strange[0])} must be a key with the name of an action`);
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
  refuse: (why: string) => MediaError,
): string[] {
  const used = new Set([...pairs.map(([, name]) => name), ...idle === DROP ? [] : [idle]]);
  if (given === undefined || typeof given === "string") return [...used];
  const isList = Array.isArray(given) && given.every((name) => typeof name === "string");
  if (!isList) throw refuse('"actions" must be a list of names');
  const missing = [...used].find((name) => !given.includes(name));
  if (missing !== undefined) throw refuse(`action "${missing}" is not in its list of actions`);
  return given;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/**
 * The action that led to each frame: the keys held longest since the previous frame. A key pressed
 * in between counts even if it was released at once; undefined means a dropped frame.
 * @param times of the frames in seconds, ascending, by the log's clock
 */
export function actionsAt(
  times: readonly number[],
  moments: readonly KeyMoment[],
  map: KeyMap,
): (number | undefined)[] {
  let next = 0;
  let held: number | undefined;
  return times.map((time, frame) => {
    const seconds = new Map<number | undefined, number>();
    const begun: number[] = [];
    let since = frame > 0 ? times[frame - 1]! : time;
    const hold = (until: number) => {
      seconds.set(held, (seconds.get(held) ?? 0) + until - since);
      since = until;
    };
    for (; next < moments.length && moments[next]!.time <= time; next++) {
      hold(moments[next]!.time);
      held = actionOf(moments[next]!.keys, map);
      if (held !== undefined) begun.push(held);
    }
    hold(time);
    if (frame === 0) return held ?? map.idle;
    const order = [...seconds].sort(([, a], [, b]) => b - a).map(([action]) => action);
    return order[0] ?? order.find((action) => begun.includes(action!)) ?? begun[0] ?? map.idle;
  });
}

function actionOf(keys: ReadonlySet<string>, { chords }: KeyMap): number | undefined {
  return chords.find((chord) => chord.keys.every((key) => keys.has(key)))?.action;
}
