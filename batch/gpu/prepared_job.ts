import { digestFile } from "../../app.ts";
import {
  type Frame,
  type GenerateOptions,
  MediaError,
  type Pipeline,
  type RunPlan,
} from "../../mod.ts";
import { asUsage, UsageError } from "../../cli/errors.ts";
import { isFolder } from "../../cli/folder.ts";
import { parseLora } from "../../request/lora.ts";
import { outputOptions } from "../../request/output_options.ts";
import { Outputs } from "../../request/outputs.ts";
import {
  buildRequest,
  type Request,
  settingsOfRequest,
  withDefaults,
} from "../../request/request.ts";
import type { RunWarning } from "../../request/model_warnings.ts";
import { factsOf, runWarnings } from "../../request/run_warnings.ts";
import { settingsMetadata } from "../../cli/settings.ts";
import { checkSettings } from "../../cli/settings_file.ts";
import { type BatchPart, shapeKey } from "./gpu_batch.ts";
import { makeFoldersInside } from "../inside.ts";
import { JOB_KEY, outputPath } from "../plan/identity.ts";
import type { JobValues } from "../plan/manifest.ts";
import type { ModelWish } from "./model_shelf.ts";
import { JOB_OPTIONS } from "../plan/options.ts";
import { isSequence, outputFiles } from "../plan/output_names.ts";
import type { WireJob } from "./protocol.ts";
import type { MadeFile } from "../results.ts";

/** Options of a job from outside. @throws {UsageError} lists all that is wrong with them */
export function valuesOf({ options, where }: Pick<WireJob, "options" | "where">): JobValues {
  const { values, problems } = checkSettings(JOB_OPTIONS, options, where);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return values;
}

/** The model that a job needs. */
export function modelWish({ model }: WireJob, { dtype, flexrope, lora }: JobValues): ModelWish {
  const choice = lora === undefined ? undefined : parseLora(lora);
  return { folder: model, dtype, slope: flexrope, ...(choice && { lora: choice }) };
}

/** A job whose sources are read and whose plan fits the model, ready to run. */
export class PreparedJob implements BatchPart {
  readonly wish: ModelWish;
  readonly plan: RunPlan;
  readonly noise: Float32Array;
  readonly warnings: readonly RunWarning[];

  private constructor(
    readonly job: WireJob,
    private readonly values: JobValues,
    private readonly request: Request,
    pipeline: Pipeline,
  ) {
    this.wish = modelWish(job, values);
    const run = asUsage(() => pipeline.prepare(request.generate));
    this.plan = run.plan;
    this.noise = run.noise;
    const { info, model } = pipeline;
    const facts = { ...factsOf(run.plan), slope: model.sizes.slope, source: request.source };
    this.warnings = runWarnings(request.options, facts, info);
  }

  /**
   * Reads the job's context, actions and noise.
   * @throws {UsageError | MediaError | CheckpointError} the job cannot run
   */
  static async make(job: WireJob, values: JobValues, pipeline: Pipeline): Promise<PreparedJob> {
    const given = { ...values, output: [...job.outputs] };
    const options = withDefaults(given, pipeline.info.defaults, job.model);
    const request = await buildRequest(given, options, pipeline.info);
    return new PreparedJob(job, given, request, pipeline);
  }

  get generate(): GenerateOptions {
    return this.request.generate;
  }

  /** Jobs with the same key can run as one batch. */
  get key(): string {
    return `${JSON.stringify(this.wish)} ${shapeKey(this)}`;
  }

  /** Opens the outputs and creates missing folders. @throws {MediaError} */
  async open(pipeline: Pipeline): Promise<OpenJob> {
    const { job: { folder, outputs, hash }, plan } = this;
    const paths = outputs.map((name) => outputPath(folder, name));
    await checkFolder(folder);
    const files = outputFiles(outputs, plan.videos).map((name) => outputPath(folder, name));
    await makeFoldersInside(folder, files);
    const record = settingsOfRequest(this.request, this.values, plan, pipeline);
    const kept = this.values.noMetadata ? {} : settingsMetadata(record);
    const options = outputOptions(this.request, this, record, pipeline.info.actions);
    const writer = await Outputs.open(paths, {
      ...options,
      metadata: { ...kept, [JOB_KEY]: hash },
      tensors: this.values.noMetadata
        ? { ...options.tensors, metadata: undefined }
        : options.tensors,
    });
    return new OpenJob(this, writer);
  }
}

/** The output folder itself is not made again if it was removed. */
async function checkFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return;
  throw new MediaError(`Cannot write to "${folder}": there is no folder of that name`);
}

/** A running job, with outputs open under temporary names. */
export class OpenJob {
  constructor(readonly prepared: PreparedJob, private readonly outputs: Outputs) {}

  get hash(): string {
    return this.prepared.job.hash;
  }

  /** @param video number within the job */
  async write(frame: Frame, video: number): Promise<void> {
    await this.outputs.write({ ...frame, video });
  }

  /** Renames the outputs to their final names, and returns what they are. */
  async close(): Promise<MadeFile[]> {
    const written = await this.outputs.close();
    const { job: { folder, outputs }, plan } = this.prepared;
    const made: MadeFile[] = [];
    const names = outputFiles(outputs, plan.videos);
    for (const [i, name] of names.entries()) {
      // a pattern of many pictures is not a single file
      const digest = isSequence(name)
        ? { bytes: written[i]!.bytes, sha256: "" }
        : await digestFile(outputPath(folder, name));
      made.push({ path: name, ...digest });
    }
    return made;
  }

  async abort(): Promise<void> {
    await this.outputs.abort();
  }
}
