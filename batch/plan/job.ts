import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isPattern } from "../../app.ts";
import type { ModelInfo } from "../../mod.ts";
import { type Findings, fitRun } from "../../request/fit.ts";
import type { RunWarning } from "../../request/model_warnings.ts";
import { UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import { type GenerateValues, pictureSize, withDefaults } from "../../request/request.ts";
import { type RunFacts, runWarnings } from "../../request/run_warnings.ts";
import { modelInfo, openModel } from "../../request/with_pipeline.ts";
import type { Digests } from "./digest.ts";
import { jsonOf } from "../../cli/settings.ts";
import { inputsOf, jobHash } from "./identity.ts";
import type { Entry } from "./manifest.ts";
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
  /** About settings whose effect may surprise, as far as they are known before anything is read. */
  readonly warnings: readonly RunWarning[];
}

/** The model of a job. */
export interface JobModel {
  /** The name that the job uses. */
  readonly name: string;
  readonly folder: string;
  readonly info: ModelInfo;
  /** Slope of FlexRoPE; 0 is none. */
  readonly slope: number;
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
  readonly #models = new Map<string, Promise<JobModel>>();
  readonly #loras = new Map<string, Promise<unknown>>();

  constructor(private readonly options: CheckerOptions) {}

  /** Finds everything that is wrong with a job; known problems of a broken one are not repeated. */
  async check(entry: Entry): Promise<CheckedJob> {
    const { name, digests, travels } = this.options;
    const where = `${name}:${entry.line}`;
    const { values, outputs } = entry;
    const fields = new FieldChecks(where, entry.broken);
    const model = await fields.check("model", () => this.#model(values.model ?? DEMO));
    if (!model) return fields;
    await fields.check("lora", () => this.#checkLora(model, values.lora));
    const { info } = model;
    const options = await fields.check(
      "model",
      () => withDefaults(values, info.defaults, model.folder),
    );
    if (!options) return fields;
    for (const field of ["context", "noise"] as const) {
      const path = values[field];
      if (path !== undefined) await fields.check(field, () => checkFile(path));
    }
    const context = { frames: entry.broken ? undefined : contextFrames(values, options) };
    const { videos, frames } = await fitRun(values, options, info, context, fields);
    if (travels) await checkTravel(entry, fields);
    if (entry.broken || fields.problems.length > 0) return fields;
    const hash = await fields.check(
      "context",
      () => jobHash(options, outputs, model.identity, digests),
    );
    if (!hash) return fields;
    const counts = videos > 1 || values.label !== undefined; // a label text hides its number
    const counted = counts ? { ...entry, values: { ...values, count: videos } } : entry;
    const facts = knownFacts(values, options, model, frames);
    const warnings = runWarnings({ ...options, output: [...outputs] }, facts, info);
    return { job: { entry: counted, hash, where, model, warnings }, problems: [] };
  }

  /** Checks a LoRA against the model, once for all jobs that use it. */
  async #checkLora({ name, folder }: JobModel, lora: string | undefined): Promise<void> {
    if (lora === undefined) return;
    await this.#loras.getOrInsertComputed(`${name} ${lora}`, () => modelInfo(folder, lora));
  }

  /** Opens a model, once for all jobs that use it. */
  #model(name: string): Promise<JobModel> {
    return this.#models.getOrInsertComputed(name, async () => {
      const folder = await modelPath(name);
      using model = await openModel(folder);
      const { info, sizes: { slope } } = model;
      return { name, folder, info, slope, identity: await this.options.digests.model(folder) };
    });
  }
}

/** Checks of one job's fields and their findings. */
class FieldChecks implements Findings {
  readonly problems: string[] = [];

  /** @param broken whether a field was refused before, so that it is absent and yet not missing */
  constructor(private readonly where: string, private readonly broken = false) {}

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
    this.problems.push(`Cannot use "${field}" in ${this.where}: ${why}`);
  }

  missing(field: string, what: string): void {
    if (!this.broken) this.refuse(field, `it is missing: give ${what}`);
  }
}

/** Frames of context as far as the options tell: a clip can have fewer than the model would take. */
function contextFrames(
  given: GenerateValues,
  { context, contextFrames }: GenerateValues,
): number | undefined {
  if (context === undefined || contextFrames === 0) return 0;
  return given.context === undefined ? contextFrames : given.contextFrames;
}

/** Facts for warnings, before a context is read: its frames are left out, and its size decides. */
function knownFacts(
  given: GenerateValues,
  options: GenerateValues,
  { info, slope }: JobModel,
  frames = 1,
): RunFacts {
  const context = contextFrames(given, options);
  const known = context === 0 || given.size !== undefined;
  return {
    size: known ? pictureSize(options, info) : undefined,
    frames: (context ?? 0) + frames,
    slope: options.flexrope ?? slope,
  };
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
