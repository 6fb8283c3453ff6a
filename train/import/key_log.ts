import { extname } from "node:path";
import { isObject, isTexts, parseJson } from "../../files/json.ts";
import { MediaError, reasonOf } from "../../media/errors.ts";

/** Keys that are pressed from a moment on. */
export interface KeyMoment {
  /** Seconds since the log's zero. */
  readonly time: number;
  /** Names by `keyName`. */
  readonly keys: ReadonlySet<string>;
}

/** One line of a log, whatever its format. */
interface LogLine {
  readonly time: number;
  readonly keys: readonly string[];
  /** For logs of presses and releases; absent if a line lists all pressed keys. */
  readonly pressed?: boolean;
}

/** Time columns by name, with their units. */
const TIMES: Readonly<Record<string, number>> = {
  time: 1,
  t: 1,
  seconds: 1,
  time_s: 1,
  timestamp: 1,
  ms: 1e-3,
  time_ms: 1e-3,
  milliseconds: 1e-3,
  timestamp_ms: 1e-3,
};
const KEYS = ["keys", "key"];
const EVENTS = ["event", "pressed", "type"];
const DOWN = ["down", "press", "pressed", "keydown", "true", "1"];
const UP = ["up", "release", "released", "keyup", "false", "0"];

/**
 * Reads a log of keys: .csv with a heading (`time,keys` or `time,key,event`), or .jsonl with the
 * same names. Times are seconds, or milliseconds in `ms` and `time_ms`. Without `event`, a line
 * lists all keys pressed from then on; with it, the key that goes `down` or `up`.
 * @throws {MediaError} names file and line of what cannot be read; times that run backwards
 */
export async function readKeyLog(path: string): Promise<KeyMoment[]> {
  let text: string;
  try {
    text = (await Deno.readTextFile(path)).replace(/^\ufeff/, "");
  } catch (error) {
    throw new MediaError(`Cannot read key log "${path}": ${reasonOf(error)}`);
  }
  const read = extname(path).toLowerCase() === ".csv" ? csvLines : jsonLines;
  const held = new Set<string>();
  const moments: KeyMoment[] = [];
  for (const { line, number } of read(text, path)) {
    const last = moments.at(-1)?.time ?? -Infinity;
    if (line.time < last) {
      throw refusal(path, number, `time ${line.time} comes after ${last}; times must not run back`);
    }
    if (line.pressed === undefined) held.clear();
    for (const key of line.keys) {
      if (line.pressed === false) held.delete(key);
      else held.add(key);
    }
    moments.push({ time: line.time, keys: new Set(held) });
  }
  if (moments.length === 0) throw new MediaError(`Cannot use key log "${path}": it has no lines`);
  return moments;
}

/** `ArrowLeft`, `Left` and `left` are one key; so are `KeyW`, `W` and `w`. */
export function keyName(name: string): string {
  if (name === " ") return "space";
  return name.trim().toLowerCase().replace(/^(arrow|key|digit)(?=.)/, "");
}

interface Numbered {
  readonly line: LogLine;
  readonly number: number;
}

function* csvLines(text: string, path: string): Generator<Numbered> {
  let heading: string[] | undefined;
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === "") continue;
    const cells = csvCells(row);
    if (!heading) {
      heading = cells.map((cell) => cell.trim().toLowerCase());
      const known = (names: readonly string[]) => heading!.some((cell) => names.includes(cell));
      if (known(Object.keys(TIMES)) && known(KEYS)) continue;
      throw refusal(path, index + 1, "the heading must name time and keys, such as time,keys");
    }
    const fields = Object.fromEntries(heading.map((name, i) => [name, cells[i] ?? ""]));
    yield { line: lineOf(fields, path, index + 1), number: index + 1 };
  }
}

/** Cells of a row; cells with commas are quoted, with `""` for a quote. */
function csvCells(row: string): string[] {
  const cells = [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)];
  return cells.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "");
}

function* jsonLines(text: string, path: string): Generator<Numbered> {
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === "") continue;
    let fields: unknown;
    try {
      fields = parseJson(new TextEncoder().encode(row));
    } catch (error) {
      throw refusal(path, index + 1, reasonOf(error));
    }
    if (!isObject(fields)) throw refusal(path, index + 1, "it is not a JSON object");
    yield { line: lineOf(fields, path, index + 1), number: index + 1 };
  }
}

function lineOf(fields: Readonly<Record<string, unknown>>, path: string, number: number): LogLine {
  const [name, unit] = Object.entries(TIMES).find(([name]) => name in fields) ?? [];
  const value = name === undefined ? undefined : fields[name];
  const time = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof time !== "number" || !Number.isFinite(time)) {
    const why = value === undefined ? "it has no time" : `${JSON.stringify(value)} is not a time`;
    throw refusal(path, number, why);
  }
  const keys = keysOf(fields[KEYS.find((name) => name in fields) ?? ""]);
  if (!keys) throw refusal(path, number, "it has no keys: a text or a list of texts");
  const event = fields[EVENTS.find((name) => name in fields) ?? ""];
  const seconds = time * unit!;
  if (event === undefined) return { time: seconds, keys };
  const word = String(event).trim().toLowerCase();
  if (!DOWN.includes(word) && !UP.includes(word)) {
    throw refusal(path, number, `event ${JSON.stringify(event)} is neither down nor up`);
  }
  return { time: seconds, keys, pressed: DOWN.includes(word) };
}

/** Several keys of a text have spaces or + between them. */
function keysOf(value: unknown): string[] | undefined {
  if (value === null) return [];
  if (value === " " || value === "+") return [keyName(value)];
  const list = typeof value === "string" ? value.split(/[\s+]+/) : value;
  if (!isTexts(list)) return undefined;
  return list.filter((key) => key !== "").map(keyName);
}

function refusal(path: string, line: number, why: string): MediaError {
  return new MediaError(`Cannot use ${path}:${line}: ${why}`);
}
