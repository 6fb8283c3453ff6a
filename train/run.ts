import { join } from "node:path";
import { quote } from "../files/errors.ts";
import { checkSpace } from "../files/folders.ts";
import type { JsonObject } from "../files/json.ts";
import { Gpu } from "../gpu/gpu.ts";
import type { Shapes } from "../released/architecture.ts";
import type { OpenedData } from "./data/open_data.ts";
import { Sampler } from "./data/sampler.ts";
import {
  CHECKPOINTS,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "./folder/checkpoint.ts";
import { RunFolder } from "./folder/run_folder.ts";
import { type LogLine, TrainLog } from "./folder/train_log.ts";
import { goOn } from "./go_on.ts";
import type { TrainPlan } from "./plan.ts";
import { type ReportFacts, RunReport } from "./report/run_report.ts";
import type { LoopOptions, RunTask, StepTrainer, TrainedStep, Validation } from "./run_loop.ts";
import { RunLoop } from "./run_loop.ts";
import type { TrainOptions } from "./run_options.ts";
import { learningRate } from "./schedule.ts";
import type { ParameterSource, TrainBatch, TrainerSettings, TrainState } from "./settings.ts";

const KEEP = 2;
/** Batches per validation, with the same seeds each time. */
const VALIDATION_BATCHES = 4;

/** Options of every run. */
export type RunOptions =
  & LoopOptions
  & Pick<
    TrainOptions,
    "clips" | "output" | "from" | "keep" | "command" | "gpu" | "backend" | "shuffle" | "interval"
  >;

/** What a run starts from. */
export interface RunOrigin {
  readonly shapes: Shapes;
  readonly initial: ParameterSource | "init";
}

/** Settings of every trainer that a run itself needs. */
export type RunSettings = Pick<
  TrainerSettings,
  | "batch"
  | "seed"
  | "accumulate"
  | "lr"
  | "schedule"
  | "warmup"
  | "steps"
  | "betas"
  | "eps"
  | "weightDecay"
>;

/** A trainer that knows its needs. */
export type PlannedTrainer = StepTrainer & { readonly plan: TrainPlan };

/** How to open a kind of run: O its options, M its model, S its settings, T its trainer. */
export interface RunKind<
  O extends RunOptions,
  M extends RunOrigin,
  S extends RunSettings,
  T extends PlannedTrainer,
> {
  readOrigin(options: O): Promise<M>;
  /** Finds and checks the clips. */
  openClips(options: O, origin: M, gpu: Gpu): Promise<OpenedData>;
  settings(options: O, origin: M, size: { readonly height: number; readonly width: number }): S;
  openTrainer(gpu: Gpu, settings: S, initial: ParameterSource | "init"): Promise<T>;
  /** What determines the results, for settings.json. */
  record(settings: S, origin: M, plan: TrainPlan, clips: JsonObject): JsonObject;
  report(training: Training<O, M, S, T>): Omit<ReportFacts, "options">;
}

/** What is needed to take steps. */
export interface Training<O, M, S, T> {
  readonly options: O;
  readonly origin: M;
  readonly gpu: Gpu;
  readonly data: OpenedData;
  readonly settings: S;
  readonly trainer: T;
}

/** Parts of a run. */
export interface RunParts<O, M, S, T> extends Training<O, M, S, T> {
  readonly folder: RunFolder;
  readonly sampler: Sampler;
  readonly log: TrainLog;
  readonly report: RunReport;
  /** Frees all of it. */
  close(): Promise<void>;
}

/** Opens clips and trainer; what was opened is closed with `opened`. */
export async function openTraining<
  O extends RunOptions,
  M extends RunOrigin,
  S extends RunSettings,
  T extends PlannedTrainer,
>(
  kind: RunKind<O, M, S, T>,
  options: O,
  origin: M,
  opened: AsyncDisposableStack,
): Promise<Training<O, M, S, T>> {
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
export async function openParts<
  O extends RunOptions,
  M extends RunOrigin,
  S extends RunSettings,
  T extends PlannedTrainer,
>(kind: RunKind<O, M, S, T>, options: O): Promise<RunParts<O, M, S, T>> {
  await using opened = new AsyncDisposableStack();
  const origin = await kind.readOrigin(options);
  const folder = await RunFolder.open(options.output);
  opened.defer(() => folder.close());
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
  await goOn(options, { trainer, sampler, shapes: origin.shapes, folder });
  await folder.keepSettings(record); // only now: settings refused so far may still change
  const log = await TrainLog.open(folder.path, trainer.step);
  opened.defer(() => log.close());
  const report = await RunReport.open(folder.path, { options, ...kind.report(training) });
  const all = opened.move();
  return { ...training, folder, sampler, log, report, close: () => all.disposeAsync() };
}

/** A run that trains a model in a folder; what the model is, its subclasses know. */
export abstract class Run<
  O extends RunOptions,
  M extends RunOrigin,
  S extends RunSettings,
  T extends PlannedTrainer,
> implements RunTask {
  readonly patience: number = 0;

  constructor(protected readonly parts: RunParts<O, M, S, T>) {}

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

  get trainer(): T {
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
    const path = join(folder.path, CHECKPOINTS, `step-${step}`);
    return (await loadCheckpoint(path, origin.shapes)).state;
  }

  async report(step: number, lines: readonly LogLine[]): Promise<void> {
    await this.parts.report.write(step, lines);
  }

  /** Means over a few batches of held-out clips. */
  async validate(signal?: AbortSignal): Promise<Validation | undefined> {
    const { data: { heldOut }, settings: { batch } } = this.parts;
    if (!heldOut) return undefined;
    const clips = heldOut.clips.length;
    const found: Validation[] = [];
    for (let i = 0; i < Math.min(VALIDATION_BATCHES, Math.ceil(clips / batch)); i++) {
      const picks = Array.from(
        { length: batch },
        (_, video) => ({ clip: (i * batch + video) % clips, start: 0 }),
      );
      const measured = await this.measure(await heldOut.batch(picks), i, signal);
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
