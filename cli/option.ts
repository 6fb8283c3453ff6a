import { UsageError } from "./errors.ts";

/**
 * Kind of a value, which decides how text and JSON are parsed. `seed` is a whole number of up to 64
 * bits.
 */
export type OptionKind =
  | "flag"
  | "integer"
  | "number"
  | "seed"
  | "size"
  | "choice"
  | "list"
  | "path"
  | "string";

/** One entry of the option table: it parses, checks, explains and completes the option. */
export interface OptionSpec {
  readonly kind: OptionKind;
  readonly help: string;
  /** Short form, one letter. */
  readonly short?: string;
  /** Name of the value in the help, such as `FILE`. */
  readonly value?: string;
  readonly min?: number;
  readonly max?: number;
  /**
   * Most entries of a list, where `name*8` counts as eight: a few bytes must not take all memory.
   */
  readonly most?: number;
  readonly choices?: readonly string[];
  /** Other words for choices. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The default in words; the command implements it. */
  readonly default?: string;
  readonly repeatable?: boolean;
  /** Environment variable with the value, if neither command line nor settings file has it. */
  readonly env?: string;
  /** Heading in the help. */
  readonly group?: string;
  /**
   * What the option affects: the frames, the files they are written to, or only how the program
   * runs (default). Records, checkpoints and batches depend on it.
   */
  readonly decides?: "frames" | "files" | "run";
  /** The file to read that a value names, for an option whose values may name one. */
  readonly reads?: (value: string) => string | undefined;
  /** Whether the videos of one batch on the GPU may differ in it. */
  readonly varies?: true;
}

/** Options by their name in code; `optionName` gives the name on the command line. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** Pixels across and down. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

type Single<S extends OptionSpec> = S["kind"] extends "flag" ? boolean
  : S["kind"] extends "integer" | "number" ? number
  : S["kind"] extends "seed" ? bigint
  : S["kind"] extends "size" ? Size
  : S extends { readonly choices: readonly (infer C)[] } ? C
  : string;

/** The type of an option's value, from its entry. */
export type ValueOf<S extends OptionSpec> = S extends { readonly repeatable: true } ? Single<S>[]
  : Single<S>;

/** The given values of a table of options. */
export type Values<T extends OptionTable> = { -readonly [K in keyof T]?: ValueOf<T[K]> };

/** The options of a table that affect frames or files. */
export type DecidingOptions<T extends OptionTable> = {
  readonly [K in keyof T as T[K] extends { readonly decides: "frames" | "files" } ? K : never]:
    T[K];
};

/** The options of a table that affect frames or files, in its order. */
export function decidingOptions<T extends OptionTable>(table: T): DecidingOptions<T> {
  const rows = Object.entries(table).filter(([, { decides = "run" }]) => decides !== "run");
  return Object.fromEntries(rows) as DecidingOptions<T>;
}

/** The files to read that values of a table's options name, by option. */
export function filesToRead(
  table: OptionTable,
  values: Readonly<Record<string, unknown>>,
): Map<string, string> {
  const named = Object.entries(table).flatMap(([key, { reads }]) => {
    const path = values[key] === undefined ? undefined : reads?.(String(values[key]));
    return path === undefined ? [] : [[key, path] as const];
  });
  return new Map(named);
}

/** What an option affects, by its name on the command line; "run" for unknown ones. */
export function decides(table: OptionTable, name: string): "frames" | "files" | "run" {
  return table[optionKey(name)]?.decides ?? "run";
}

/** `contextFrames` -> `context-frames`, the name on the command line and in JSON. */
export function optionName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `context-frames`, `context_frames` or `contextFrames` -> `contextFrames`. */
export function optionKey(name: string): string {
  return name.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * Parses a value from the command line.
 * @param where the option as the user wrote it, for the message: `--frames`
 * @throws {UsageError}
 */
export function parseText(spec: OptionSpec, text: string, where: string): unknown {
  const numeric = spec.kind === "integer" || spec.kind === "number";
  const value = numeric && text.trim() !== "" ? Number(text) : text;
  const problem = fault(spec, value);
  if (problem) throw new UsageError(`Cannot use ${where} ${text || '""'}: it must be ${problem}`);
  return convert(spec, value);
}

/**
 * Parses a value from JSON: numbers and booleans have their JSON type, lists may be arrays.
 * @param where the field and its file, for the message: `"frames" in jobs.jsonl:3`
 * @throws {UsageError}
 */
export function parseJson(spec: OptionSpec, json: unknown, where: string): unknown {
  if (spec.repeatable) {
    const values = Array.isArray(json) ? json : [json];
    return values.map((value) => parseJson({ ...spec, repeatable: false }, value, where));
  }
  if (spec.kind === "seed" && Number.isInteger(json) && !Number.isSafeInteger(json)) {
    throw new UsageError(`Cannot use ${where}: a JSON number would be rounded; put it in quotes`);
  }
  const value = plainValue(spec, json);
  const problem = fault(spec, value);
  if (problem) {
    throw new UsageError(`Cannot use ${where}: it must be ${problem}, not ${JSON.stringify(json)}`);
  }
  return convert(spec, value);
}

/** Texts that JSON may have in another type: `[0, 0, 1]` for a list, `7` for a label or seed. */
function plainValue(spec: OptionSpec, json: unknown): unknown {
  const plain = (v: unknown) => typeof v === "number" ? String(v) : v;
  if (spec.kind === "list" && Array.isArray(json)) {
    const words = json.map(plain);
    return words.every((word) => typeof word === "string") ? words.join(",") : json;
  }
  return spec.kind === "list" || spec.kind === "seed" || spec.kind === "string"
    ? plain(json)
    : json;
}

/** What the value must be, if it is wrong. */
function fault(spec: OptionSpec, value: unknown): string | undefined {
  switch (spec.kind) {
    case "flag":
      return typeof value === "boolean" ? undefined : "true or false";
    case "integer":
    case "number":
      return numberFault(spec, value);
    case "seed":
      return seedFault(value);
    case "size":
      return typeof value === "string" && /^[1-9]\d{0,4}x[1-9]\d{0,4}$/i.test(value)
        ? undefined
        : "WIDTHxHEIGHT, such as 64x64";
    case "choice": {
      const known = [...(spec.choices ?? []), ...Object.keys(spec.aliases ?? {})];
      return known.includes(value as string) ? undefined : oneOf(spec.choices ?? []);
    }
    default:
      if (typeof value !== "string" || value === "") return "a non-empty text";
      return listLength(value) <= (spec.most ?? Infinity)
        ? undefined
        : `a list of at most ${spec.most} entries`;
  }
}

/** Number of entries in `forward*8,left`, with repeats; names with spaces count once per word. */
export function listLength(text: string): number {
  const items = text.split(/[\s,]+/).filter((item) => item !== "");
  return items.reduce((sum, item) => sum + Number(item.match(/\*(\d+)$/)?.[1] ?? 1), 0);
}

function numberFault({ kind, min, max }: OptionSpec, value: unknown): string | undefined {
  const fits = typeof value === "number" && Number.isFinite(value) &&
    (kind === "number" || Number.isSafeInteger(value)) &&
    value >= (min ?? -Infinity) && value <= (max ?? Infinity);
  if (fits) return undefined;
  const what = kind === "integer" ? "a whole number" : "a number";
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`;
  if (min !== undefined) return `${what} of at least ${min}`;
  return max === undefined ? what : `${what} of at most ${max}`;
}

const LARGEST_SEED = 2n ** 64n - 1n;

function seedFault(value: unknown): string | undefined {
  const fits = typeof value === "string" && /^(-1|\d{1,20})$/.test(value) &&
    BigInt(value) <= LARGEST_SEED;
  return fits ? undefined : `a whole number from 0 to ${LARGEST_SEED}, or -1 to draw one`;
}

function oneOf(choices: readonly string[]): string {
  if (choices.length === 1) return `"${choices[0]}"`;
  return `one of ${choices.join(", ")}`;
}

/** The checked value in its type in code. */
function convert(spec: OptionSpec, value: unknown): unknown {
  if (spec.kind === "seed") return BigInt(value as string);
  if (spec.kind === "choice") return spec.aliases?.[value as string] ?? value;
  if (spec.kind !== "size") return value;
  const [width, height] = (value as string).toLowerCase().split("x").map(Number);
  return { width, height };
}
