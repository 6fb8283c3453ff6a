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

/** A run that was interrupted. */
export interface Checkpoint {
  readonly path: string;
  /** How it was begun. */
  readonly settings: Settings;
  /** Digest of its model. */
  readonly model: string;
  /** [videos, frames done, C, h, w]: context first. */
  readonly latents: Float32Array;
}

/**
 * Reads `--resume`.
 * @returns undefined where it is the run's own `--checkpoint` and not there yet
 * @throws {UsageError | CheckpointError} no such file, or no checkpoint
 */
export async function readCheckpoint(
  { resume, checkpoint }: GenerateValues,
): Promise<Checkpoint | undefined> {
  if (resume === undefined) return undefined;
  const missing = !await Deno.stat(resume).then(() => true, () => false);
  if (missing && resume === checkpoint) return undefined;
  const file = await SafetensorsFile.open(resume);
  try {
    const settings = settingsOf(file.metadata);
    const model = file.metadata.get(MODEL_KEY);
    if (!settings || !model || !file.tensors.has("latents")) {
      throw new UsageError(
        `Cannot resume from "${resume}": it is not a checkpoint of far generate`,
      );
    }
    return { path: resume, settings, model, latents: await readFloats(file, "latents") };
  } finally {
    file.close();
  }
}

/**
 * Looks at `--checkpoint` before anything is computed.
 * @throws {UsageError} a name that cannot be one; @throws {MediaError} it cannot be written
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

/** The options of a run that goes on: those it was begun with, where nothing else is said. */
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
 * Holds a run that goes on to the settings and the model it was begun with.
 * @throws {UsageError} the first difference
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
 * What a run keeps its checkpoints with, if it keeps any; one that goes on is held to its beginning.
 * @param folder of the model; @param begun where the run goes on from
 * @throws {UsageError} it was begun in another way
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

/** Keeps the latents of a run's frames in a file, from time to time. */
export class CheckpointWriter {
  readonly #path: string;
  readonly #every: number;
  readonly #plan: RunPlan;
  readonly #metadata: Record<string, string>;
  readonly #latents: Float32Array[][];
  /** Frames of every video that are there, and that the file has. */
  #done = 0;
  #kept = 0;

  constructor(
    { checkpoint, checkpointEvery }: GenerateValues,
    plan: RunPlan,
    settings: Settings,
    model: string,
  ) {
    this.#path = checkpoint!;
    this.#every = checkpointEvery ?? EVERY;
    this.#plan = plan;
    this.#metadata = { ...settingsMetadata(settings), [MODEL_KEY]: model };
    this.#latents = Array.from({ length: plan.videos }, () => []);
  }

  /** @throws {MediaError} the file cannot be written */
  async add({ video, latents }: Frame): Promise<void> {
    this.#latents[video]!.push(latents);
    this.#done = Math.min(...this.#latents.map((frames) => frames.length));
    const generated = this.#done - this.#plan.contextFrames;
    if (this.#done > this.#kept && generated > 0 && generated % this.#every === 0) {
      await this.keep();
    }
  }

  /** Writes what is there at a signal. @returns the error that says so, or the one that was */
  async interrupted(error: unknown): Promise<unknown> {
    await this.keep();
    if (!(error instanceof InterruptedError) || this.#kept === 0) return error;
    const count = this.#kept - this.#plan.contextFrames;
    const frames = `${count} ${count === 1 ? "frame is" : "frames are"}`;
    return new InterruptedError(
      error.signal,
      `${frames} kept, --resume ${shellQuote(this.#path)} continues`,
    );
  }

  /** Writes what is there; what was there before stays until it is whole. */
  async keep(): Promise<void> {
    if (this.#done === this.#kept || this.#done <= this.#plan.contextFrames) return;
    const done = this.#done;
    const [, , ...frame] = this.#plan.noiseShape;
    await using file = await createOutput(this.#path);
    const latents = this.#latents.flatMap((frames) => frames.slice(0, done));
    await writeSafetensors(file, [{
      name: "latents",
      dtype: "F32",
      shape: [this.#plan.videos, done, ...frame],
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
