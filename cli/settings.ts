import { shellQuote } from "../files/shell.ts";
import { optionName, type Size } from "./option.ts";

export { shellQuote };

/** A value in a settings record. */
export type SettingValue = string | number | boolean | readonly string[];

/**
 * The command that made an output, with options by their names on the command line. It is stored in
 * the output's metadata, works as a `--config` file, and can be turned into the command again.
 */
export interface Settings {
  readonly command: string;
  readonly version: string;
  readonly options: Readonly<Record<string, SettingValue>>;
}

/** Key of the record in the metadata of every kind of output. */
const SETTINGS_KEY = "far.settings";

/** The record as metadata: as JSON under one key, and as a command line for people. */
export function settingsMetadata(settings: Settings): Record<string, string> {
  return {
    [SETTINGS_KEY]: JSON.stringify(settings),
    comment: commandLine(settings),
  };
}

/** The entries with a value. */
export function defined<T extends object>(
  entries: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(entries).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** Options as JSON for `checkSettings`: those with a value, by their names on the command line. */
export function jsonOf(
  values: Readonly<Record<string, SettingValue | bigint | Size | undefined>>,
): Record<string, SettingValue> {
  const json: Record<string, SettingValue> = {};
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    json[optionName(key)] = typeof value === "bigint"
      ? String(value)
      : typeof value === "object" && "width" in value
      ? `${value.width}x${value.height}`
      : value;
  }
  return json;
}

/** Each setting under its own name, for formats whose readers look for single values. */
export function flatSettings({ options }: Settings): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, String(value)]));
}

/**
 * Reads the record from the metadata of any file.
 * @returns undefined if there is none, or it is not ours
 */
export function settingsOf(
  metadata: Readonly<Record<string, string>> | ReadonlyMap<string, string>,
): Settings | undefined {
  const text = metadata instanceof Map
    ? metadata.get(SETTINGS_KEY)
    : (metadata as Record<string, string>)[SETTINGS_KEY];
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text);
    const fits = typeof value?.command === "string" && typeof value?.version === "string" &&
      typeof value?.options === "object" && value.options !== null;
    return fits ? value as Settings : undefined;
  } catch {
    return undefined;
  }
}

/** The command line that makes the output again, quoted for a shell. */
export function commandLine({ command, options }: Omit<Settings, "version">): string {
  const words = ["far", command];
  for (const [name, value] of Object.entries(options)) {
    const flag = `--${optionName(name)}`;
    if (value === true) words.push(flag);
    else if (value !== false) {
      const values = Array.isArray(value) ? value : [value];
      for (const item of values) words.push(flag, shellQuote(String(item)));
    }
  }
  return words.join(" ");
}
