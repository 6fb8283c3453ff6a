import { extname, resolve } from "node:path";
import { bytesOf, createOutput } from "../../app.ts";
import {
  type Frame,
  readFloats,
  type RunPlan,
  SafetensorsFile,
  writeSafetensors,
} from "../../mod.ts";
import { Digests } from "../../batch/plan/digest.ts";
import { InterruptedError, UsageError } from "../../cli/errors.ts";
import { decides } from "../../cli/option.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";
import type { GenerateValues } from "../../request/request.ts";
import { type Settings, settingsMetadata, settingsOf, shellQuote } from "../../cli/settings.ts";
import { checkSettings } from "../../cli/settings_file.ts";

const MODEL_KEY = "far.model";
const EVERY = 8;

/** An interrupted run. */
export interface Checkpoint {
  readonly path: string;
  /** Settings with which it was started. */
  readonly settings: Settings;
  /** Digest of its model. */
  readonly model: string;
  /** [videos, frames done, C, h, w]: context first. */
  readonly latents: Float32Array;
}

/**
 * Reads `--resume`.
 * @returns undefined if it is the run's own `--checkpoint` and does not exist yet
 * @throws {UsageError | CheckpointError} no such file, or not a checkpoint
 */
export async function readCheckpoint(
  { resume, checkpoint }: GenerateValues,
): Promise<Checkpoint | undefined> {
  if (resume === undefined) return undefined;
  const missing = !await Deno.stat(resume).then(() => true, () => false);
  if (missing && resume === checkpoint) return undefined;
  using file = await SafetensorsFile.open(resume);
  const settings = settingsOf(file.metadata);
  const model = file.metadata.get(MODEL_KEY);
  if (!settings || !model || !file.tensors.has("latents")) {
    throw new UsageError(
      `Cannot resume from "${resume}": it is not a checkpoint of far generate`,
    );
  }
  return { path: resume, settings, model, latents: await readFloats(file, "latents") };
}

/**
 * Checks `--checkpoint` before anything is computed.
 * @throws {UsageError} an invalid name; @throws {MediaError} it cannot be written
 */
export async function checkCheckpoint(
  { checkpoint, checkpointEvery, output = [], dryRun }: GenerateValues,
): Promise<void> {
  if (checkpoint === undefined) {
    if (checkpointEvery === undefined) return;
    throw new UsageError("Cannot use --checkpoint-every alone: give --checkpoint FILE.safetensors");
  }
  const refuse = (why: string) => new UsageError(`Cannot use --checkpoint "${checkpoint}": ${why}`);
  if (extname(checkpoint).toLowerCase() !== ".safetensors") {
    throw refuse("its name must end in .safetensors");
  }
  const isOutput = output.some((path) => resolve(path) === resolve(checkpoint));
  if (isOutput) throw refuse("it is also an output");
  if (!dryRun) await (await createOutput(checkpoint)).discard();
}

/** The options of a resumed run: those it was started with, unless given again. */
export function resumedOptions(
  given: GenerateValues,
  { path, settings }: Checkpoint,
): GenerateValues {
  const { output: _, ...begun } = settings.options;
  const { values, problems } = checkSettings(GENERATE_OPTIONS, begun, path);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  const { seed, ...rest } = given;
  return { ...values, ...rest, ...(seed === undefined || seed === -1n ? {} : { seed }) };
}

/**
 * Checks that a resumed run has the settings and the model it was started with.
 * @throws {UsageError} names names the first difference
 */
function checkResumed(record: Settings, model: string, begun: Checkpoint): void {
  const { options } = begun.settings;
  for (const name of new Set([...Object.keys(options), ...Object.keys(record.options)])) {
    if (name === "model" || decides(GENERATE_OPTIONS, name) !== "frames") continue;
    const [was, is] = [options[name], record.options[name]].map((value) =>
      value === undefined ? "nothing" : String(value)
    );
    if (was === is) continue;
    throw new UsageError(
      `Cannot resume from "${begun.path}" with --${name} ${is}: it was started with ${was}`,
    );
  }
  if (model === begun.model) return;
  throw new UsageError(
    `Cannot resume from "${begun.path}": the model has changed since`,
  );
}

/**
 * The writer of a run's checkpoints, if it writes any; checks a resumed run against its start.
 * @param folder of the model; @param begun the run to resume
 * @throws {UsageError} it was started differently
 */
export async function openCheckpoint(
  options: GenerateValues,
  plan: RunPlan,
  record: Settings,
  folder: string,
  begun: Checkpoint | undefined,
): Promise<CheckpointWriter | undefined> {
  if (!begun && options.checkpoint === undefined) return undefined;
  const model = await new Digests().model(folder, options.lora);
  if (begun) checkResumed(record, model, begun);
  if (options.checkpoint === undefined) return undefined;
  return new CheckpointWriter(options, plan, record, model);
}

/** Saves the latents of a run's frames to a file from time to time. */
export class CheckpointWriter {
  readonly #path: string;
  readonly #every: number;
  readonly #metadata: Record<string, string>;
  readonly #latents: Float32Array[][];
  /** Frames that every video has, and frames in the file. */
  #done = 0;
  #kept = 0;

  constructor(
    { checkpoint, checkpointEvery }: GenerateValues,
    private readonly plan: RunPlan,
    settings: Settings,
    model: string,
  ) {
    this.#path = checkpoint!;
    this.#every = checkpointEvery ?? EVERY;
    this.#metadata = { ...settingsMetadata(settings), [MODEL_KEY]: model };
    this.#latents = Array.from({ length: plan.videos }, () => []);
  }

  /** @throws {MediaError} the file cannot be written */
  async add({ video, latents }: Frame): Promise<void> {
    this.#latents[video]!.push(latents);
    this.#done = Math.min(...this.#latents.map((frames) => frames.length));
    const generated = this.#done - this.plan.contextFrames;
    if (this.#done > this.#kept && generated > 0 && generated % this.#every === 0) {
      await this.keep();
    }
  }

  /** Saves at a signal. @returns the error that says so, or the given one */
  async interrupted(error: unknown): Promise<unknown> {
    await this.keep();
    if (!(error instanceof InterruptedError) || this.#kept === 0) return error;
    const count = this.#kept - this.plan.contextFrames;
    const frames = `${count} ${count === 1 ? "frame is" : "frames are"}`;
    return new InterruptedError(
      error.signal,
      `${frames} kept, --resume ${shellQuote(this.#path)} continues`,
    );
  }

  /** Saves the frames so far; the previous file stays until the new one is complete. */
  async keep(): Promise<void> {
    if (this.#done === this.#kept || this.#done <= this.plan.contextFrames) return;
    const done = this.#done;
    const [, , ...frame] = this.plan.noiseShape;
    await using file = await createOutput(this.#path);
    const latents = this.#latents.flatMap((frames) => frames.slice(0, done));
    await writeSafetensors(file, [{
      name: "latents",
      dtype: "F32",
      shape: [this.plan.videos, done, ...frame],
      data: () => eachBytes(latents),
    }], this.#metadata);
    await file.commit();
    this.#kept = done;
  }
}

async function* eachBytes(arrays: readonly Float32Array[]): AsyncGenerator<Uint8Array> {
  for (const array of arrays) {
    yield bytesOf(array);
  }
}
