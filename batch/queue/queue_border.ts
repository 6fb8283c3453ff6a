import { isAbsolute } from "node:path";
import { isObject, printable } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import { filesToRead, optionKey } from "../../cli/option.ts";
import type { SettingValue } from "../../cli/settings.ts";
import { checkSettings } from "../../cli/settings_file.ts";
import { JOB_OPTIONS } from "../plan/options.ts";
import { checkOutputNames, outputFiles } from "../plan/output_names.ts";
import { QUEUE_VERSION, type QueueJob, type QueueResult, type SentInput } from "./queue_job.ts";
import type { JobFailure, MadeFile } from "../results.ts";

// Anyone who can write to a queue's server can put anything there. Data from it is `unknown` until
// a function of this file has checked every field.

const LONGEST_ID = 200;
const LONGEST_TEXT = 1024;
const LONGEST_MESSAGE = 4000;
const MOST_OUTPUTS = 10_000;
const DIGEST = /^[0-9a-f]{64}$/;
const IDENTITY = /^[0-9a-f]{8,64}$/;
/** Options whose value may name a file that the job reads. */
const FILE_OPTIONS = Object.entries(JOB_OPTIONS).flatMap(([key, row]) => "reads" in row ? key : []);

type Fields = Readonly<Record<string, unknown>>;

/** Refuses data of the queue and names the field. */
type Refuse = (field: string, rule: string) => never;

/**
 * A job that a worker may run. It may name files only if they were sent with it or the batch is
 * shared; the worker checks those.
 * @throws {UsageError} names the first field that `JobPacker` would not make
 */
export function parseQueueJob(data: unknown): QueueJob {
  const refuse: Refuse = (field, rule) => {
    throw new UsageError(`Cannot run this job of the queue: its ${field} must be ${rule}`);
  };
  const fields = objectOf(data, "data", refuse);
  const version = wholeOf(fields.version, "version", refuse);
  if (version > QUEUE_VERSION) {
    throw new UsageError(
      "Cannot run this job: it comes from a newer version of far; update this worker",
    );
  }
  const where = textOf(fields.where, "where", LONGEST_TEXT, refuse);
  const shared = fields.shared === undefined ? undefined : sharedOf(fields.shared, refuse);
  const outputs = outputsOf(fields.outputs, where, refuse);
  const options = optionsOf(fields.options, where, shared !== undefined, refuse);
  const inputs = inputsOf(fields.inputs, refuse);
  if (shared !== undefined && Object.keys(inputs).length > 0) {
    refuse("inputs", "empty where it is shared");
  }
  const model = objectOf(fields.model, "model", refuse);
  return {
    version,
    id: textOf(fields.id, "id", LONGEST_ID, refuse),
    line: wholeOf(fields.line, "line", refuse),
    where,
    hash: digestOf(fields.hash, "hash", refuse),
    options,
    model: {
      name: textOf(model.name, "model name", LONGEST_TEXT, refuse),
      identity: matchOf(model.identity, IDENTITY, "model identity", "a digest", refuse),
    },
    outputs,
    inputs,
    shared,
  };
}

/**
 * Names of the files that a job makes. If only its context decides how many videos it makes, the
 * number follows from the answer's files.
 * @param videos undefined if the context decides
 */
export function filesFor(
  outputs: readonly string[],
  videos: number | undefined,
  answer: unknown,
): string[] {
  const files = isObject(answer) && Array.isArray(answer.outputs) ? answer.outputs.length : 0;
  const perVideo = outputFiles(outputs, 2).length - outputs.length;
  const many = perVideo === 0 ? 1 : (files - (outputs.length - perVideo)) / perVideo;
  const fits = Number.isInteger(many) && many >= 1 && many <= MOST_OUTPUTS;
  return outputFiles(outputs, videos ?? (fits ? many : 1));
}

/**
 * A worker's answer to a job.
 * @param expected names of the files that the job makes
 * @throws {UsageError} names the first invalid field
 */
export function parseQueueResult(data: unknown, expected: readonly string[]): QueueResult {
  const refuse: Refuse = (field, rule) => {
    throw new UsageError(`Cannot use a worker's answer: its ${field} must be ${rule}`);
  };
  const fields = objectOf(data, "data", refuse);
  const { sent } = fields;
  if (typeof sent !== "boolean") return refuse("sent", "true or false");
  const outputs = arrayOf(fields.outputs, "outputs", refuse).map((made) =>
    madeOf(made, sent, refuse)
  );
  const names = outputs.map(({ path }) => path).sort();
  if (JSON.stringify(names) !== JSON.stringify([...expected].sort())) {
    refuse("outputs", `exactly the files of the job: ${expected.map(printable).join(", ")}`);
  }
  return {
    seconds: amountOf(fields.seconds, "seconds", refuse),
    batch: wholeOf(fields.batch, "batch", refuse),
    outputs,
    sent,
    worker: textOf(fields.worker, "worker", LONGEST_ID, refuse),
  };
}

/** Models that a queue announces, as names by identity; invalid entries are dropped. */
export function parseModels(announced: Readonly<Record<string, unknown>>): Map<string, string> {
  const fits = (name: unknown): name is string =>
    typeof name === "string" && name.trim() !== "" && name.length <= LONGEST_TEXT &&
    printable(name) === name;
  return new Map(
    Object.entries(announced).filter((entry): entry is [string, string] =>
      IDENTITY.test(entry[0]) && fits(entry[1])
    ),
  );
}

/** A failure reported by a worker; what cannot be parsed counts as temporary. */
export function parseQueueFailure(progress: unknown, reason: unknown): JobFailure {
  const said = typeof reason === "string" && reason !== "" ? reason : "the worker gave no reason";
  const message = printable(said.slice(0, LONGEST_MESSAGE));
  const failure = isObject(progress) ? progress.failure : undefined;
  const temporary = isObject(failure) ? failure.temporary !== false : true;
  return { message, temporary };
}

/** Name of a queue's job for messages, whatever it contains. */
export function nameOfQueueJob(data: unknown): { readonly id: string; readonly line: number } {
  const { id, line } = isObject(data) ? data : {};
  return {
    id: typeof id === "string" ? printable(id.slice(0, LONGEST_ID)) : "unknown",
    line: Number.isSafeInteger(line) ? line as number : 0,
  };
}

function madeOf(value: unknown, sent: boolean, refuse: Refuse): MadeFile {
  const { path, bytes, sha256 } = objectOf(value, "output", refuse);
  // many pictures under one name cannot be sent and have no digest
  const many = !sent && sha256 === "";
  return {
    path: textOf(path, "output path", LONGEST_TEXT, refuse),
    bytes: wholeOf(bytes, "output bytes", refuse),
    sha256: many ? "" : digestOf(sha256, "output sha256", refuse),
  };
}

function outputsOf(value: unknown, where: string, refuse: Refuse): string[] {
  const names = arrayOf(value, "outputs", refuse).map((name) =>
    textOf(name, "output", LONGEST_TEXT, refuse)
  );
  if (names.length === 0) refuse("outputs", "one file or more");
  checkOutputNames(names, where);
  return names;
}

function sharedOf(value: unknown, refuse: Refuse): string {
  const path = textOf(value, "shared folder", LONGEST_TEXT, refuse);
  return isAbsolute(path) ? path : refuse("shared folder", "an absolute path");
}

/** Options of a job by name, each with a value that the option table allows. */
function optionsOf(
  value: unknown,
  where: string,
  shared: boolean,
  refuse: Refuse,
): Record<string, SettingValue> {
  const options: Record<string, SettingValue> = {};
  for (const [name, given] of Object.entries(objectOf(value, "options", refuse))) {
    const key = optionKey(name);
    if (!Object.hasOwn(JOB_OPTIONS, key) || key === "output") {
      refuse("options", `a job's own, but has "${printable(name)}"`);
    }
    if (!isSetting(given)) refuse(`option "${name}"`, "a text, a number, true, false or a list");
    options[name] = given;
    if (!shared && filesOf({ [name]: given }).size > 0) {
      refuse(`option "${name}"`, "sent as an input");
    }
  }
  const { problems } = checkSettings(JOB_OPTIONS, options, where);
  if (problems.length > 0) throw new UsageError(printable(problems[0]!));
  return options;
}

function isSetting(value: unknown): value is SettingValue {
  const simple = (one: unknown) => ["string", "number", "boolean"].includes(typeof one);
  return simple(value) || (Array.isArray(value) && value.every(simple));
}

/** Files that the options of a shared job name, by option. */
export function filesOf(options: QueueJob["options"]): Map<string, string> {
  const byKey = Object.entries(options).map(([name, value]) => [optionKey(name), value]);
  return filesToRead(JOB_OPTIONS, Object.fromEntries(byKey));
}

function inputsOf(value: unknown, refuse: Refuse): Record<string, SentInput> {
  const inputs: Record<string, SentInput> = {};
  for (const [option, input] of Object.entries(objectOf(value, "inputs", refuse))) {
    if (!FILE_OPTIONS.includes(option)) refuse("inputs", `of ${FILE_OPTIONS.join(", ")}`);
    const { sha256, name, scale } = objectOf(input, `input "${option}"`, refuse);
    const scales = scale === undefined || (option === "lora" && Number.isFinite(scale));
    if (!scales) refuse("input scale", "a number, of a LoRA");
    inputs[option] = {
      sha256: digestOf(sha256, "input sha256", refuse),
      name: textOf(name, "input name", LONGEST_TEXT, refuse),
      ...(scale !== undefined && { scale: Number(scale) }),
    };
  }
  return inputs;
}

function objectOf(value: unknown, field: string, refuse: Refuse): Fields {
  return isObject(value) ? value : refuse(field, "a JSON object");
}

function arrayOf(value: unknown, field: string, refuse: Refuse): unknown[] {
  const fits = Array.isArray(value) && value.length <= MOST_OUTPUTS;
  return fits ? value : refuse(field, `a list of at most ${MOST_OUTPUTS}`);
}

function textOf(value: unknown, field: string, most: number, refuse: Refuse): string {
  const fits = typeof value === "string" && value.trim() !== "" && value.length <= most;
  if (fits && printable(value) === value) return value;
  return refuse(field, `printable text of 1 to ${most} characters`);
}

function matchOf(
  value: unknown,
  form: RegExp,
  field: string,
  rule: string,
  refuse: Refuse,
): string {
  return typeof value === "string" && form.test(value) ? value : refuse(field, rule);
}

function digestOf(value: unknown, field: string, refuse: Refuse): string {
  return matchOf(value, DIGEST, field, "64 hexadecimal digits", refuse);
}

function wholeOf(value: unknown, field: string, refuse: Refuse): number {
  const fits = Number.isSafeInteger(value) && (value as number) >= 0;
  return fits ? value as number : refuse(field, "a whole number");
}

function amountOf(value: unknown, field: string, refuse: Refuse): number {
  const fits = typeof value === "number" && value >= 0 && value < Infinity;
  return fits ? value : refuse(field, "a number");
}
