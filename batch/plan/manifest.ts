import { isObject, printable } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import { listLength, optionKey, optionName, type Values } from "../../cli/option.ts";
import { checkSettings } from "../../cli/settings_file.ts";
import { parseJsonText } from "../../cli/json_text.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";
import { expand, type Expanded, type Fields } from "./expand.ts";
import { JOB_OPTIONS } from "./options.ts";
import {
  checkOutputNames,
  DEFAULT_OUTPUT,
  fillIn,
  outputFiles,
  TakenNames,
} from "./output_names.ts";

/** Options of a job, checked. */
export type JobValues = Values<typeof JOB_OPTIONS>;

/** A job as in the manifest, not yet checked against its model. */
export interface Entry {
  readonly id: string;
  /** Line of the manifest, from 1. */
  readonly line: number;
  readonly values: JobValues;
  /** Relative to the output folder. */
  readonly outputs: readonly string[];
  /** Whether a problem was already reported; then it is only checked for further ones. */
  readonly broken?: boolean;
}

/** Result of one line. */
export interface LineRead {
  readonly entries: readonly Entry[];
  /** All problems, one sentence each. */
  readonly problems: readonly string[];
}

/** Common fields of all jobs, and where they come from. */
interface Common {
  readonly fields: Fields;
  readonly where: string;
}

const NOTHING: LineRead = { entries: [], problems: [] };
/** Most characters of an id. */
export const LONGEST_ID = 200;

/** Reads a manifest line by line and remembers ids and outputs, which must be unique. */
export class Manifest {
  readonly #common: Common[];
  readonly #told = new Set<string>();
  /** Line of each id, and of each output by its collision key. */
  readonly #ids = new Map<string, number>();
  readonly #outputs = new TakenNames<{ readonly line: number; readonly id: string }>();
  #line = 0;
  #begun = false;

  /**
   * @param common settings of all jobs, later ones take precedence, and the manifest's header over
   *   all
   */
  constructor(readonly name: string, common: readonly Common[] = []) {
    this.#common = common.map(({ fields, where }) => ({ fields: byKey(fields, where), where }));
  }

  /** Reads the next line; blank ones are ignored. */
  read(text: string): LineRead {
    this.#line++;
    if (text.trim() === "") return NOTHING;
    const first = !this.#begun;
    this.#begun = true;
    const where = `${this.name}:${this.#line}`;
    try {
      const fields = parseLine(text, where);
      if (Object.hasOwn(fields, "defaults")) return this.#header(fields, where, first);
      return this.#jobs(fields, where);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return { entries: [], problems: this.#new([error.message]) };
    }
  }

  /** Problems that were not reported before, since those of the defaults occur on every line. */
  #new(problems: readonly string[]): string[] {
    return problems.filter((problem) => {
      if (this.#told.has(problem)) return false;
      this.#told.add(problem);
      return true;
    });
  }

  #header(fields: Fields, where: string, first: boolean): LineRead {
    const { defaults } = fields;
    if (!first) throw new UsageError(`Cannot use ${where}: "defaults" must be the first line`);
    if (Object.keys(fields).length > 1) {
      throw new UsageError(
        `Cannot use ${where}: the line with "defaults" may have no other fields`,
      );
    }
    if (!isObject(defaults)) {
      throw new UsageError(`Cannot use "defaults" in ${where}: it must be a JSON object`);
    }
    this.#common.push({ fields: byKey(defaults, where), where });
    return NOTHING;
  }

  #jobs(fields: Fields, where: string): LineRead {
    const { id = String(this.#line), ...own } = fields;
    if (typeof id !== "string" && typeof id !== "number") {
      throw new UsageError(`Cannot use "id" in ${where}: it must be a text or a number`);
    }
    const origins = new Map<string, string>();
    let merged: Fields = {};
    for (const layer of [...this.#common, { fields: byKey(own, where), where }]) {
      merged = { ...merged, ...layer.fields };
      for (const key of Object.keys(layer.fields)) origins.set(key, layer.where);
    }
    const entries: Entry[] = [];
    const problems: string[] = [];
    for (const one of expand(named(merged), where)) {
      const { entry, faults } = this.#job(one, String(id), origins, where);
      entries.push(entry);
      for (const fault of faults) problems.push(fault);
    }
    return { entries, problems: this.#new(problems) };
  }

  #job(
    one: Expanded,
    template: string,
    origins: ReadonlyMap<string, string>,
    where: string,
  ): { entry: Entry; faults: readonly string[] } {
    const { values, problems } = checkFields(one.fields, origins, where);
    let faults = problems;
    const job = { id: template, line: this.#line, values, outputs: [] as string[] };
    try {
      job.id = jobId(template, one, where);
      const fields = { ...one.fields, id: job.id };
      const templates = values.output ?? [DEFAULT_OUTPUT];
      job.outputs = templates.map((output) => fillIn(output, fields, "output", where));
      checkOutputNames(job.outputs, where);
      const files = outputFiles(job.outputs, videosOf(values));
      faults = faults.concat(this.#twice(job.id, files, where));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      faults.push(error.message);
    }
    return { entry: faults.length > 0 ? { ...job, broken: true } : job, faults };
  }

  /** Finds ids and outputs that an earlier job has, and remembers this job's. */
  #twice(id: string, files: readonly string[], where: string): string[] {
    const before = this.#ids.get(id);
    if (before !== undefined) {
      return [`Cannot use id "${id}" in ${where}: line ${before} has the same`];
    }
    this.#ids.set(id, this.#line);
    const faults: string[] = [];
    for (const file of files) {
      const other = this.#outputs.take(file, { line: this.#line, id });
      if (!other) continue;
      faults.push(
        `Cannot use "output" in ${where}: "${file}" is also written by job "${other.id}" of ` +
          `line ${other.line}`,
      );
    }
    return faults;
  }
}

function parseLine(text: string, where: string): Fields {
  const json = parseJsonText(text, where);
  if (isObject(json)) return json;
  throw new UsageError(`Cannot use ${where}: it must be one JSON object`);
}

/**
 * The same option may be written in three ways; a job takes precedence over defaults in any of
 * them.
 * @throws {UsageError} it occurs in two of them
 */
function byKey(fields: Fields, where: string): Fields {
  const keyed: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(fields)) {
    const key = optionKey(name);
    if (key in keyed) throw new UsageError(`Cannot use "${name}" in ${where}: it occurs twice`);
    keyed[key] = value;
  }
  return keyed;
}

function named(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, v]) => [optionName(key), v]));
}

/**
 * Checks each field and reports it with its origin: the line, the header or the file of defaults.
 */
function checkFields(
  fields: Fields,
  origins: ReadonlyMap<string, string>,
  line: string,
): { values: JobValues; problems: string[] } {
  const values: JobValues = {};
  const problems: string[] = [];
  for (const where of new Set(origins.values())) {
    const own = Object.entries(fields).filter(([name]) => origins.get(optionKey(name)) === where);
    const strange = own.filter(([name]) => isOnlyForGenerate(name));
    problems.push(
      ...strange.map(([name]) => `Cannot use "${name}" in ${where}: a single job cannot set it`),
    );
    const rest = own.filter(([name]) => !isOnlyForGenerate(name));
    const checked = checkSettings(JOB_OPTIONS, Object.fromEntries(rest), where);
    Object.assign(values, checked.values);
    problems.push(...checked.problems);
  }
  if (values.seed === -1n) {
    problems.push(
      `Cannot use "seed" -1 in ${
        origins.get("seed") ?? line
      }: a batch needs seeds that it can repeat; ` +
        'give {"range": [0, 100]} for 100 of them',
    );
  }
  return { values, problems };
}

function isOnlyForGenerate(name: string): boolean {
  const key = optionKey(name);
  return Object.hasOwn(GENERATE_OPTIONS, key) && !Object.hasOwn(JOB_OPTIONS, key);
}

/** Fills in `maze-{seed}`; marks that it does not name are appended. */
function jobId(template: string, { fields, marks }: Expanded, where: string): string {
  const unnamed = [...marks].filter(([name]) => !template.includes(`{${name}}`));
  const id = fillIn(template, fields, "id", where) + unnamed.map(([, mark]) => `-${mark}`).join("");
  if (id.trim() === "" || id.length > LONGEST_ID) {
    throw new UsageError(`Cannot use "id" in ${where}: it must have 1 to ${LONGEST_ID} characters`);
  }
  if (printable(id) !== id) {
    throw new UsageError(
      `Cannot use "id" in ${where}: "${printable(id)}" has invisible characters`,
    );
  }
  return id;
}

/** Number of videos by the job's options. */
export function videosOf({ count, label }: JobValues): number {
  if (count !== undefined || label === undefined) return count ?? 1;
  return listLength(label);
}
