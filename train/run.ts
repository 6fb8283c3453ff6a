import { join } from "node:path";
import { quote } from "../files/errors.ts";
import { checkSpace } from "../files/folders.ts";
import type { JsonObject } from "../files/json.ts";
import { Gpu } from "../gpu/gpu.ts";
import type { Shapes } from "../released/architecture.ts";
import type { OpenedData } from "./data/open_data.ts";
import { Sampler, spreadPicks } from "./data/sampler.ts";
import {
  checkCheckpoint,
  checkpointPath,
  loadCheckpoint,
  newestCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "./folder/checkpoint.ts";
import { RunFolder } from "./folder/run_folder.ts";
import { type LogLine, TrainLog } from "./folder/train_log.ts";
import type { TrainPlan } from "./plan.ts";
import type { ReportFacts } from "./report/report.ts";
import { RunReport } from "./report/run_report.ts";
import type { RunTask, StepTrainer, TrainedStep, Validation } from "./run_loop.ts";
import { RunLoop } from "./run_loop.ts";
import type { RunOptions } from "./run_options.ts";
import { learningRate } from "./schedule.ts";
import type { ParameterSource, StepSettings, TrainBatch, TrainState } from "./settings.ts";

const KEEP = 2;
/** Most batches per validation, with the same windows and seeds each time. */
const VALIDATION_BATCHES = 4;

/** What a run starts from. */
export interface RunOrigin {
  readonly shapes: Shapes;
  readonly initial: ParameterSource | "init";
}

/** A trainer that knows its needs. */
export type PlannedTrainer = StepTrainer & { readonly plan: TrainPlan };

/** Types of a kind of run. */
export interface RunTypes {
  readonly options: RunOptions;
  readonly origin: RunOrigin;
  readonly settings: StepSettings;
  readonly trainer: PlannedTrainer;
}

/** How to open a kind of run. */
export interface RunKind<R extends RunTypes> {
  readOrigin(options: R["options"]): Promise<R["origin"]>;
  /** Finds and checks the clips. */
  openClips(options: R["options"], origin: R["origin"], gpu: Gpu): Promise<OpenedData>;
  settings(
    options: R["options"],
    origin: R["origin"],
    size: { readonly height: number; readonly width: number },
  ): R["settings"];
  openTrainer(
    gpu: Gpu,
    settings: R["settings"],
    initial: ParameterSource | "init",
  ): Promise<R["trainer"]>;
  /** Steps after which a step takes another time, from 0 (0 alone). */
  phases?(settings: R["settings"]): readonly number[];
  /** What determines the results, for settings.json. */
  record(
    settings: R["settings"],
    origin: R["origin"],
    plan: TrainPlan,
    clips: JsonObject,
  ): JsonObject;
  report(training: Training<R>): Omit<ReportFacts, "options">;
}

/** What is needed to take steps. */
export type Training<R extends RunTypes> = Pick<R, keyof RunTypes> & {
  readonly gpu: Gpu;
  readonly data: OpenedData;
};

/** Parts of a run. */
export type RunParts<R extends RunTypes> = Training<R> & {
  readonly folder: RunFolder;
  readonly sampler: Sampler;
  readonly log: TrainLog;
  readonly report: RunReport;
  /** Frees all of it. */
  close(): Promise<void>;
};

/** Opens clips and trainer; what was opened is closed with `opened`. */
export async function openTraining<R extends RunTypes>(
  kind: RunKind<R>,
  options: R["options"],
  origin: R["origin"],
  opened: AsyncDisposableStack,
): Promise<Training<R>> {
  const gpu = options.gpu ?? await Gpu.open({ backend: options.backend });
  if (!options.gpu) opened.defer(() => gpu.close());
  const data = await kind.openClips(options, origin, gpu);
  for (const problem of data.skipped) options.onEvent?.({ event: "skipped", problem });
  const settings = kind.settings(options, origin, data.train.sizes);
  const trainer = await kind.openTrainer(gpu, settings, origin.initial);
  opened.defer(() => trainer.close());
  return { options, origin, gpu, data, settings, trainer };
}

/** Opens everything and restores the step at which the run was stopped. */
export async function openParts<R extends RunTypes>(
  kind: RunKind<R>,
  options: R["options"],
): Promise<RunParts<R>> {
  await using opened = new AsyncDisposableStack();
  const origin = await kind.readOrigin(options);
  const folder = await RunFolder.open(options.output);
  opened.defer(() => folder.close());
  const from = await findStart(options, origin);
  const training = await openTraining(kind, options, origin, opened);
  const { settings, trainer, data: { train } } = training;
  const { shuffle = true, interval = 1 } = options;
  const clips = { interval, shuffle, clips: train.clips.length, clipFrames: train.frames };
  const record = kind.record(settings, origin, trainer.plan, clips);
  await folder.checkSettings(record);
  const { weights, moments, ema } = trainer.plan.bytes;
  // the model and one checkpoint more than there are
  const needed = 2 * weights + moments + ema;
  await checkSpace(folder.path, needed, `Cannot train in ${quote(folder.path)}`);
  const { batch, seed } = settings;
  const sampler = new Sampler({ starts: train.starts, batch, seed, shuffle });
  if (from !== undefined) await goOn(from, options, { ...training, sampler });
  await folder.keepSettings(record); // only now: settings refused so far may still change
  const log = await TrainLog.open(folder.path, trainer.step);
  opened.defer(() => log.close());
  const report = await RunReport.open(folder.path, { options, ...kind.report(training) });
  const all = opened.move();
  return { ...training, folder, sampler, log, report, close: () => all.disposeAsync() };
}

/**
 * The checkpoint to continue from, if there is one: the newest of the folder, or the one given. It is
 * checked before clips are read, which may take hours.
 */
export async function findStart(
  { output, from }: RunOptions,
  { shapes }: RunOrigin,
): Promise<string | undefined> {
  const path = await newestCheckpoint(output) ?? from;
  if (path !== undefined) await checkCheckpoint(path, shapes);
  return path;
}

/** Restores a checkpoint. */
async function goOn(
  path: string,
  { onEvent }: RunOptions,
  { trainer, origin, sampler }: Pick<RunParts<RunTypes>, "trainer" | "origin" | "sampler">,
): Promise<void> {
  const { state, extras } = await loadCheckpoint(path, origin.shapes);
  await trainer.restore(state);
  if (extras) sampler.seek(extras.position);
  onEvent?.({ event: "resumed", step: state.step, path });
}

/** A run that trains a model in a folder; what the model is, its subclasses know. */
export abstract class Run<R extends RunTypes> implements RunTask {
  readonly patience: number = 0;

  constructor(protected readonly parts: RunParts<R>) {}

  /** Makes the folder a model, if the run has no checkpoint yet. */
  protected abstract begin(): Promise<void>;

  /** Loss of held-out clips, with the current weights. @param seed of the draws */
  protected abstract measure(
    batch: TrainBatch,
    seed: number,
    signal?: AbortSignal,
  ): Promise<Validation | undefined>;

  /** Writes the current model. */
  protected abstract writeModel(state: TrainState): Promise<void>;

  /** Writes a sample into a folder. Returns its path. */
  protected abstract makeSample(folder: string, name: string): Promise<string>;

  get trainer(): R["trainer"] {
    return this.parts.trainer;
  }

  get folder(): RunFolder {
    return this.parts.folder;
  }

  get log(): TrainLog {
    return this.parts.log;
  }

  get accumulate(): number {
    return this.parts.settings.accumulate;
  }

  /** The remaining steps; frees everything at their end. */
  async *steps(): AsyncGenerator<TrainedStep, void, void> {
    try {
      await this.begin();
      yield* new RunLoop(this.parts.options, this).steps();
    } finally {
      await this.parts.close();
    }
  }

  async next(): Promise<TrainBatch> {
    const { sampler, data } = this.parts;
    return await data.train.batch(sampler.next());
  }

  giveBack(batches: number): void {
    const { sampler, settings: { batch } } = this.parts;
    sampler.seek(sampler.position - batches * batch);
  }

  async load(step: number): Promise<TrainState> {
    const { folder, origin } = this.parts;
    return (await loadCheckpoint(checkpointPath(folder.path, step), origin.shapes)).state;
  }

  async report(step: number, lines: readonly LogLine[]): Promise<void> {
    await this.parts.report.write(step, lines);
  }

  /** Means over a few batches of windows from everywhere in the held-out clips. */
  async validate(signal?: AbortSignal): Promise<Validation | undefined> {
    const { data: { heldOut }, settings: { batch } } = this.parts;
    if (!heldOut) return undefined;
    const windows = heldOut.starts.reduce((sum, places) => sum + places);
    const batches = Math.min(VALIDATION_BATCHES, Math.ceil(windows / batch));
    const picks = spreadPicks(heldOut.starts, batches * batch);
    const found: Validation[] = [];
    for (let i = 0; i < batches; i++) {
      const own = picks.slice(i * batch, (i + 1) * batch);
      const measured = await this.measure(await heldOut.batch(own), i, signal);
      await new Promise((resolve) => setTimeout(resolve)); // signals arrive between tasks
      if (!measured || signal?.aborted) return undefined;
      found.push(measured);
    }
    const mean = (key: keyof Validation) =>
      found.reduce((sum, one) => sum + one[key]!, 0) / found.length;
    const similar = found[0]!.psnr !== undefined && { psnr: mean("psnr"), ssim: mean("ssim") };
    return { loss: mean("loss"), ...similar };
  }

  async save(state: TrainState): Promise<string> {
    const { options, folder, origin: { shapes }, settings, sampler } = this.parts;
    const { lr, betas, eps, weightDecay } = settings;
    const numbers = { lr, nextLr: learningRate(settings, state.step + 1), betas, eps, weightDecay };
    const extras = { position: sampler.position };
    const path = await saveCheckpoint(folder.path, state, shapes, numbers, extras);
    await this.writeModel(state);
    await pruneCheckpoints(folder.path, options.keep ?? KEEP);
    return path;
  }

  async sample(step: number): Promise<string> {
    const { folder, report } = this.parts;
    const path = await this.makeSample(join(folder.path, "samples"), `step-${step}`);
    await report.addSample(step, path);
    return path;
  }
}
