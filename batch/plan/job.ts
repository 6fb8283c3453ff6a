import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isPattern } from "../../app.ts";
import type { ModelInfo } from "../../mod.ts";
import { type Classes, parseClassList, planActions } from "../../request/actions.ts";
import { readActionLists } from "../../request/action_file.ts";
import { UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import { checkCount, type GenerateValues, withDefaults } from "../../request/request.ts";
import { modelInfo } from "../../request/with_pipeline.ts";
import type { Digests } from "./digest.ts";
import { inputsOf, jobHash, jsonOf } from "./identity.ts";
import type { Entry, JobValues } from "./manifest.ts";
import type { WireJob } from "../gpu/protocol.ts";
import { inputFault, loraFault, outputFault } from "./travel.ts";

/** A job that fits its model. */
export interface Job {
  readonly entry: Entry;
  /** Identifies the job by settings, inputs, model and outputs. */
  readonly hash: string;
  /** `jobs.jsonl:3` */
  readonly where: string;
  readonly model: JobModel;
}

/** The model of a job. */
export interface JobModel {
  /** The name that the job uses. */
  readonly name: string;
  readonly folder: string;
  readonly info: ModelInfo;
  /** Digest that is the same on every machine. */
  readonly identity: string;
}

/** The job for the GPU process. @param folder of its outputs */
export function wireJob({ entry, hash, where, model }: Job, folder: string): WireJob {
  const { outputs, values } = entry;
  return { hash, where, options: jsonOf(values), model: model.folder, folder, outputs };
}

/** Result of checking a job: the job, or what is wrong with it. */
export interface CheckedJob {
  readonly job?: Job;
  /** One sentence each, with line and field. */
  readonly problems: readonly string[];
}

/** Settings for checking jobs. */
export interface CheckerOptions {
  /** Name of the manifest, for messages. */
  readonly name: string;
  readonly digests: Digests;
  /** Whether files are sent through a queue, which takes only single files of limited size. */
  readonly travels?: boolean;
}

/** Checks jobs against their models, as far as possible before anything is decoded or run. */
export class JobChecker {
  readonly #options: CheckerOptions;
  readonly #models = new Map<string, Promise<JobModel>>();
  readonly #loras = new Map<string, Promise<unknown>>();

  constructor(options: CheckerOptions) {
    this.#options = options;
  }

  /** Finds everything that is wrong with a job; known problems of a broken one are not repeated. */
  async check(entry: Entry): Promise<CheckedJob> {
    const { name, digests, travels } = this.#options;
    const where = `${name}:${entry.line}`;
    const { values, outputs } = entry;
    const fields = new FieldChecks(where);
    const model = await fields.check("model", () => this.#model(values.model ?? DEMO));
    if (!model) return fields;
    await fields.check("lora", () => this.#checkLora(model, values.lora));
    const options = withDefaults(values, model.info.defaults, model.folder);
    const videos = await checkFit(entry, options, model.info, fields);
    if (travels) await checkTravel(entry, fields);
    if (entry.broken || fields.problems.length > 0) return fields;
    const hash = await fields.check(
      "context",
      () => jobHash(options, outputs, model.identity, digests),
    );
    if (!hash) return fields;
    const counts = videos > 1 || values.label !== undefined; // a label text hides its number
    const counted = counts ? { ...entry, values: { ...values, count: videos } } : entry;
    return { job: { entry: counted, hash, where, model }, problems: [] };
  }

  /** Checks a LoRA against the model, once for all jobs that use it. */
  async #checkLora({ name, folder }: JobModel, lora: string | undefined): Promise<void> {
    if (lora === undefined) return;
    const key = `${name} ${lora}`;
    const known = this.#loras.get(key) ?? modelInfo(folder, lora);
    this.#loras.set(key, known);
    await known;
  }

  #model(name: string): Promise<JobModel> {
    const known = this.#models.get(name) ?? this.#openModel(name);
    this.#models.set(name, known);
    return known;
  }

  async #openModel(name: string): Promise<JobModel> {
    const folder = await modelPath(name);
    const info = await modelInfo(folder);
    return { name, folder, info, identity: await this.#options.digests.model(folder) };
  }
}

/** Checks of one job's fields and their findings. */
class FieldChecks {
  readonly problems: string[] = [];
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  /** Runs a check; its error is reported with line and field. */
  async check<T>(field: string, run: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Error) || error.name === "InterruptedError") throw error;
      this.refuse(field, error.message.replace(/^Cannot use /, ""));
    }
  }

  refuse(field: string, why: string): void {
    this.problems.push(`Cannot use "${field}" in ${this.#where}: ${why}`);
  }
}

/** @returns how many videos the job makes, as far as its labels and actions show */
async function checkFit(
  { values, broken }: Entry,
  options: GenerateValues,
  info: ModelInfo,
  fields: FieldChecks,
): Promise<number> {
  const { size } = options;
  if (size && (size.width % info.multiple !== 0 || size.height % info.multiple !== 0)) {
    fields.refuse("size", `both sides must be multiples of ${info.multiple} for ${info.name}`);
  }
  for (const field of ["context", "noise"] as const) {
    const path = values[field];
    if (path !== undefined) await fields.check(field, () => checkFile(path));
  }
  const labels = await checkLabels(values, options, info, fields);
  const lists = await fields.check("actions", () => readLists(values, info));
  if (!broken && lists) await checkFrames(values, options, info, lists, fields);
  const perVideo = { labels: labels?.length, lists: lists?.length || undefined };
  const videos = values.count ?? Math.max(perVideo.labels ?? 1, perVideo.lists ?? 1);
  await fields.check("count", () => checkCount(videos, perVideo));
  return videos;
}

async function checkLabels(
  { label }: JobValues,
  options: GenerateValues,
  { name, condition: { kind, count }, labels }: ModelInfo,
  fields: FieldChecks,
): Promise<number[] | undefined> {
  if (kind === "label") {
    if (label !== undefined) {
      return await fields.check(
        "label",
        () => parseClassList(label, { kind, count, names: labels }),
      );
    }
    const needed = options.label === undefined && options.guidance !== -1;
    if (needed) fields.refuse("label", `it is missing, but ${name} needs one`);
  } else if (label !== undefined) fields.refuse("label", `${name} takes none`);
}

/** The job's own actions: one list for all its videos, or one each; empty if it has none. */
async function readLists({ actions }: JobValues, info: ModelInfo): Promise<number[][]> {
  const { kind, count } = info.condition;
  if (actions === undefined) return [];
  if (kind !== "action") throw new UsageError(`${info.name} takes none`);
  return await readActionLists(actions, { kind, count, names: info.actions });
}

/** Checks the number of actions if the number of context frames is known. */
async function checkFrames(
  given: JobValues,
  options: GenerateValues,
  info: ModelInfo,
  lists: readonly number[][],
  fields: FieldChecks,
): Promise<void> {
  const { kind, count } = info.condition;
  const classes: Classes = { kind: "action", count, names: info.actions };
  const frames = given.frames ?? lists[0]?.length ?? options.frames;
  const hasContext = options.context !== undefined && options.contextFrames !== 0;
  if (frames === undefined && (kind !== "action" || !hasContext)) {
    return fields.refuse("frames", "it is missing: give the number of frames to generate");
  }
  const context = hasContext ? options.contextFrames : 0;
  if (kind !== "action" || frames === undefined || context === undefined) return;
  // without a list, the clip may have its own actions
  const free = hasContext || options.actions || options.guidance === -1;
  const plans = lists.length > 0 ? lists : free ? [] : [undefined];
  for (const list of plans) {
    await fields.check("actions", () => planActions({ given: list, context, frames, classes }));
  }
}

/** Checks that all files can be sent through a queue, before any job is put on it. */
async function checkTravel({ values, outputs }: Entry, fields: FieldChecks): Promise<void> {
  for (const name of outputs) {
    const fault = outputFault(name);
    if (fault) fields.refuse("output", fault);
  }
  for (const [option, path] of inputsOf(values)) {
    const faultOf = option === "lora" ? loraFault : inputFault;
    const fault = await faultOf(path).catch(() => undefined); // already reported as missing
    if (fault) fields.refuse(option, fault);
  }
}

async function checkFile(path: string): Promise<void> {
  if (path === "-") throw new UsageError("a batch cannot read stdin");
  const place = isPattern(path) ? dirname(path) : path;
  try {
    await stat(place);
  } catch {
    throw new UsageError(`there is no ${place === path ? "file" : "folder"} "${place}"`);
  }
}
