import { stat } from "node:fs/promises";
import { declareModel, type ModelInfo } from "../../mod.ts";
import { type Classes, parseClassList, planActions } from "../actions.ts";
import { readActions } from "../action_file.ts";
import { UsageError } from "../errors.ts";
import { DEMO, modelPath } from "../model_path.ts";
import { type GenerateValues, withDefaults } from "../request.ts";
import type { Digests } from "./digest.ts";
import { jobHash, jsonOf } from "./identity.ts";
import type { Entry, JobValues } from "./manifest.ts";
import type { WireJob } from "./protocol.ts";

/** A job that is known to fit its model. */
export interface Job {
  readonly entry: Entry;
  /** Names the job: settings, inputs, model and outputs. */
  readonly hash: string;
  /** `jobs.jsonl:3` */
  readonly where: string;
  readonly model: JobModel;
}

/** The model of a job. */
export interface JobModel {
  /** As the job names it. */
  readonly name: string;
  readonly folder: string;
  readonly info: ModelInfo;
  /** The same on every machine. */
  readonly identity: string;
}

/** The job as the GPU process takes it. @param folder where its outputs go */
export function wireJob({ entry, hash, where, model }: Job, folder: string): WireJob {
  const { outputs, values } = entry;
  return { hash, where, options: jsonOf(values), model: model.folder, folder, outputs };
}

/** Holds jobs to their models, as far as that can be told before anything is decoded or run. */
export class JobChecker {
  readonly #digests: Digests;
  readonly #name: string;
  readonly #models = new Map<string, Promise<JobModel>>();

  /** @param name of the manifest, for messages */
  constructor(name: string, digests: Digests) {
    this.#name = name;
    this.#digests = digests;
  }

  /** @throws {UsageError} what is wrong, with line and field */
  async check(entry: Entry): Promise<Job> {
    const where = `${this.#name}:${entry.line}`;
    const { values } = entry;
    const model = await inField("model", where, () => this.#model(values.model ?? DEMO));
    const options = withDefaults(values, model.info.defaults, model.folder);
    await checkFit(values, options, model.info, where);
    const hash = await inField(
      "context",
      where,
      () => jobHash(options, entry.outputs, model.identity, this.#digests),
    );
    return { entry, hash, where, model };
  }

  #model(name: string): Promise<JobModel> {
    const known = this.#models.get(name) ?? this.#openModel(name);
    this.#models.set(name, known);
    return known;
  }

  async #openModel(name: string): Promise<JobModel> {
    const folder = await modelPath(name);
    const { info, close } = await declareModel(folder, { dtype: "f32" });
    close();
    return { name, folder, info, identity: await this.#digests.model(folder) };
  }
}

async function checkFit(
  given: JobValues,
  options: GenerateValues,
  info: ModelInfo,
  where: string,
): Promise<void> {
  const { kind, count } = info.condition;
  const refuse = (field: string, why: string) => {
    throw new UsageError(`Cannot use "${field}" in ${where}: ${why}`);
  };
  if (given.actions !== undefined && kind !== "action") {
    refuse("actions", `${info.name} takes none`);
  }
  if (given.label !== undefined) {
    if (kind !== "label") return refuse("label", `${info.name} takes none`);
    const classes = { kind, count, names: info.labels } as const;
    await inField("label", where, () => Promise.resolve(parseClassList(given.label!, classes)));
  }
  if (kind === "label" && options.label === undefined && options.guidance !== -1) {
    refuse("label", `it is missing, and ${info.name} needs one`);
  }
  const { size } = options;
  if (size && (size.width % info.multiple !== 0 || size.height % info.multiple !== 0)) {
    refuse("size", `both sides must be multiples of ${info.multiple} for ${info.name}`);
  }
  for (const field of ["context", "noise"] as const) {
    const path = given[field];
    if (path !== undefined) await inField(field, where, () => checkFile(path));
  }
  await inField("actions", where, () => checkFrames(given, options, info));
}

/** Where the number of context frames is known, the number of actions can be checked. */
async function checkFrames(
  given: JobValues,
  options: GenerateValues,
  info: ModelInfo,
): Promise<void> {
  const { kind, count } = info.condition;
  const classes: Classes = { kind: "action", count, names: info.actions };
  const own = given.actions === undefined ? undefined : await readActions(given.actions, classes);
  const frames = options.frames ?? own?.length;
  const hasContext = options.context !== undefined && options.contextFrames !== 0;
  if (frames === undefined && (kind !== "action" || !hasContext)) {
    throw new UsageError('it does not say how many frames to generate: give "frames"');
  }
  const context = hasContext ? options.contextFrames : 0;
  const free = kind !== "action" || (!own && (options.actions || options.guidance === -1));
  if (free || frames === undefined || context === undefined) return;
  if (!own && hasContext) return; // the clip may have actions of its own
  planActions({ given: own, context, frames, classes });
}

async function checkFile(path: string): Promise<void> {
  if (path === "-") throw new UsageError("a batch cannot read stdin");
  if (path.includes("%")) return; // a pattern; its folder is looked at when the job is named
  try {
    await stat(path);
  } catch {
    throw new UsageError(`there is no file "${path}"`);
  }
}

/** Runs a check of one field; what it says is told with the line and the field. */
async function inField<T>(field: string, where: string, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof Error) || error.name === "InterruptedError") throw error;
    const why = error.message.replace(/^Cannot use /, "");
    throw new UsageError(`Cannot use "${field}" in ${where}: ${why}`, { cause: error });
  }
}
