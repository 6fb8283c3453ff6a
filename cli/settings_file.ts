import { isObject } from "../files/json.ts";
import { UsageError } from "./errors.ts";
import { optionKey, optionName, type OptionTable, parseJson, type Values } from "./option.ts";
import { didYouMean } from "./suggest.ts";
import { readText } from "./text_file.ts";

/** No program has more options; each unknown one is compared with all that there are. */
const MOST_OPTIONS = 1000;

/** Options from JSON, and one line per invalid entry. */
export interface CheckedSettings<T extends OptionTable> {
  readonly values: Values<T>;
  readonly problems: readonly string[];
}

/**
 * Checks a JSON object of options like the command line. Names may be written `context-frames`,
 * `context_frames` or `contextFrames`; `"cache": false` is `--no-cache`.
 * @param where the file, and the line if there is one, for the messages
 */
export function checkSettings<T extends OptionTable>(
  table: T,
  json: unknown,
  where: string,
): CheckedSettings<T> {
  if (!isObject(json)) {
    return { values: {}, problems: [`Cannot use ${where}: it must be one JSON object`] };
  }
  const count = Object.keys(json).length;
  if (count > MOST_OPTIONS) {
    const known = Object.keys(table).length;
    return { values: {}, problems: [`Cannot use ${where}: it sets ${count} options of ${known}`] };
  }
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(json)) {
    try {
      const [key, plain] = findOption(table, name, value, where);
      if (key in values) {
        throw new UsageError(`Cannot use "${name}" in ${where}: it occurs twice`);
      }
      values[key] = parseJson(table[key]!, plain, `"${name}" in ${where}`);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      problems.push(error.message);
    }
  }
  return { values: values as Values<T>, problems };
}

/** The option that a JSON name means, and its value: `no-x` is the opposite of `x`. */
function findOption(
  table: OptionTable,
  name: string,
  value: unknown,
  where: string,
): [string, unknown] {
  const key = optionKey(name);
  if (key === "config" && table.config) {
    throw new UsageError(`Cannot use "config" in ${where}: a settings file cannot name another`);
  }
  if (Object.hasOwn(table, key)) return [key, value];
  const opposite = `no${key.charAt(0).toUpperCase()}${key.slice(1)}`;
  if (Object.hasOwn(table, opposite) && typeof value === "boolean") return [opposite, !value];
  const known = Object.keys(table).filter((k) => k !== "config").map(optionName);
  throw new UsageError(
    `Cannot use "${name}" in ${where}: there is no such option${didYouMean(name, known)}`,
  );
}

/**
 * The options of a settings record, or of an object with one under `settings`, as printed by `far
 * generate --json` and `far inspect --json`.
 */
function optionsOf(json: unknown): unknown {
  type Record = { command?: unknown; options?: unknown };
  const whole = json as Record & { settings?: Record } | null;
  const record = whole?.settings ?? whole;
  return typeof record?.command === "string" && record.options ? record.options : json;
}

/**
 * Reads a `--config` file.
 * @throws {UsageError} lists all problems
 */
export async function readSettingsFile<T extends OptionTable>(
  table: T,
  path: string,
): Promise<Values<T>> {
  const what = `settings "${path}"`;
  const { parseJsonText } = await import("./json_text.ts"); // not for `far --help`
  const json = parseJsonText(await readText(path, what), what);
  const { values, problems } = checkSettings(table, optionsOf(json), `"${path}"`);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return values;
}
