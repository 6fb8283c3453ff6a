import { join } from "node:path";
import { quote } from "../files/errors.ts";
import { checkSpace } from "../files/folders.ts";
import { Gpu } from "../gpu/gpu.ts";
import { actionNumbers } from "./data/data_facts.ts";
import { openData, type OpenedData } from "./data/open_data.ts";
import { Sampler } from "./data/sampler.ts";
import {
  CHECKPOINTS,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "./folder/checkpoint.ts";
import { RunFolder } from "./folder/run_folder.ts";
import { writeStartClips } from "./folder/start_clips.ts";
import type { JsonObject } from "../files/json.ts";
import { type LogLine, TrainLog } from "./folder/train_log.ts";
import { farOf, openEncoder, type Origin, readOrigin, settingsOf } from "./origin.ts";
import { goOn } from "./go_on.ts";
import { modelCard } from "./report/model_card.ts";
import { RunReport } from "./report/run_report.ts";
import { dataTable, machineTable, settingsTable, sizesTable } from "./report/tables.ts";
import { framesOf, settingsRecord, type TrainOptions } from "./run_options.ts";
import { makeSample } from "./samples.ts";
import { RunLoop, type RunTask, type TrainedStep, type Validation } from "./run_loop.ts";
import { learningRate } from "./schedule.ts";
import type { TrainBatch, TrainState } from "./settings.ts";
import { Trainer, type TrainerSettings } from "./trainer.ts";

const KEEP = 2;
/** Like the released loaders. */
const RESIZE = "bilinear";
/** Batches per validation, with the same seeds each time. */
const VALIDATION_BATCHES = 4;
/** Most non-finite steps in a row while f16 finds its scale. */
const F16_PATIENCE = 20;

/** Parts of a run. */
interface Parts {
  readonly gpu: Gpu;
  readonly origin: Origin;
  readonly folder: RunFolder;
  readonly data: OpenedData;
  readonly settings: TrainerSettings;
  readonly trainer: Trainer;
  readonly sampler: Sampler;
  readonly log: TrainLog;
  readonly report: RunReport;
}

/** A run of `train`: data, trainer, and the output folder. */
export class TrainRun implements RunTask {
  readonly #options: TrainOptions;
  readonly #parts: Parts;

  private constructor(options: TrainOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Opens everything and continues where the run was stopped. @throws as `train` */
  static async open(options: TrainOptions): Promise<TrainRun> {
    const origin = await readOrigin(options);
    const folder = await RunFolder.open(options.output);
    const gpu = options.gpu ?? await Gpu.open({ backend: options.backend });
    try {
      return await openRun(options, origin, folder, gpu);
    } catch (error) {
      folder.close();
      if (!options.gpu) await gpu.close();
      throw error;
    }
  }

  /** @internal */
  static async begin(options: TrainOptions, parts: Parts): Promise<TrainRun> {
    const { folder, trainer, origin } = parts;
    const run = new TrainRun(options, parts);
    const { config, vaeFolder: vae, shapes } = origin;
    const state = await trainer.state();
    const weights = new Map([...state.parameters].filter(([name]) => shapes.has(name)));
    if (!await folder.isBegun()) {
      await folder.writeModel({ config, vae, far: await run.#far(), shapes }, weights);
    }
    // the run may have been killed between its last checkpoint and these
    if (trainer.step > 0) await run.#writeWeights(state);
    return run;
  }

  /** far.json, with start clips if the data has pictures. */
  async #far(): Promise<JsonObject> {
    const { data: { pictures, examples, train }, origin, folder } = this.#parts;
    const far = farOf(origin, this.#options, pictures);
    if (!pictures) return far;
    const starts = await writeStartClips(folder.path, examples, {
      condition: origin.sizes.condition,
      names: origin.names,
      pictures: { ...pictures, resize: this.#options.resize ?? RESIZE },
      window: train.window.frames,
      fps: Number(far.fps),
    });
    return { ...far, defaults: { ...(far.defaults as JsonObject), ...starts } };
  }

  get trainer(): Trainer {
    return this.#parts.trainer;
  }

  get folder(): RunFolder {
    return this.#parts.folder;
  }

  get log(): TrainLog {
    return this.#parts.log;
  }

  get accumulate(): number {
    return this.#parts.settings.accumulate;
  }

  get patience(): number {
    return this.#parts.settings.dtype === "f16" ? F16_PATIENCE : 0;
  }

  /** The remaining steps. */
  steps(): AsyncGenerator<TrainedStep, void, void> {
    return new RunLoop(this.#options, this).steps();
  }

  async close(): Promise<void> {
    const { trainer, folder, log, gpu } = this.#parts;
    trainer.close();
    log.close();
    folder.close();
    if (!this.#options.gpu) await gpu.close();
  }

  async next(): Promise<TrainBatch> {
    const { sampler, data } = this.#parts;
    return await data.train.batch(sampler.next());
  }

  async load(step: number): Promise<TrainState> {
    const { folder, origin } = this.#parts;
    const path = join(folder.path, CHECKPOINTS, `step-${step}`);
    return (await loadCheckpoint(path, origin.shapes)).state;
  }

  async report(step: number, lines: readonly LogLine[]): Promise<void> {
    await this.#parts.report.write(step, lines);
  }

  async validate(): Promise<Validation | undefined> {
    const { data: { heldOut }, trainer, settings: { batch } } = this.#parts;
    if (!heldOut) return undefined;
    const clips = heldOut.clips.length;
    let sum = 0;
    const batches = Math.min(VALIDATION_BATCHES, Math.ceil(clips / batch));
    for (let i = 0; i < batches; i++) {
      const picks = Array.from(
        { length: batch },
        (_, v) => ({ clip: (i * batch + v) % clips, start: 0 }),
      );
      sum += await trainer.validate(await heldOut.batch(picks), i);
    }
    return { loss: sum / batches };
  }

  async save(state: TrainState): Promise<string> {
    const { folder, origin, settings, sampler } = this.#parts;
    const { lr, betas, eps, weightDecay } = settings;
    const nextLr = learningRate(settings, state.step + 1);
    const numbers = { lr, nextLr, betas, eps, weightDecay };
    const path = await saveCheckpoint(folder.path, state, origin.shapes, numbers, {
      position: sampler.position,
    });
    await this.#writeWeights(state);
    await pruneCheckpoints(folder.path, this.#options.keep ?? KEEP);
    return path;
  }

  /** Writes the model of a state: averaged, with adapters merged. */
  async #writeWeights(state: TrainState): Promise<void> {
    const { trainer, folder, origin: { shapes }, settings: { ema, lora } } = this.#parts;
    if (lora) {
      const adapters = await trainer.parameters(ema === undefined ? "live" : "ema");
      await folder.writeAdapters(state.parameters, adapters, shapes, lora);
    } else {
      await folder.writeWeights(new Map([...state.parameters, ...state.ema ?? []]), shapes);
    }
  }

  async sample(step: number): Promise<string> {
    const { gpu, folder, data, origin, report } = this.#parts;
    const path = await makeSample({
      gpu,
      model: folder.path,
      data: data.heldOut ?? data.train,
      scalingFactor: origin.vae.scalingFactor,
      fps: this.#options.fps ?? 8,
      folder: join(folder.path, "samples"),
      name: `step-${step}`,
    });
    await report.addSample(step, path);
    return path;
  }
}

async function openRun(
  options: TrainOptions,
  origin: Origin,
  folder: RunFolder,
  gpu: Gpu,
): Promise<TrainRun> {
  const data = await openClips(options, origin, gpu);
  const { train } = data;
  for (const problem of data.skipped) options.onEvent?.({ event: "skipped", problem });
  if (train.sizes.channels !== origin.sizes.channels) {
    throw new TypeError(
      `Cannot train: the clips' latents have ${train.sizes.channels} channels, the transformer ` +
        `takes ${origin.sizes.channels}`,
    );
  }
  const settings = settingsOf(options, origin, train.sizes);
  const { shuffle = true, interval = 1 } = options;
  const clips = { interval, shuffle, clips: train.clips.length, clipFrames: train.frames };
  const record = settingsRecord(settings, origin.config, clips);
  await folder.checkSettings(record);
  const trainer = await Trainer.open(gpu, settings, origin.initial);
  try {
    const { weights, moments, ema } = trainer.plan.bytes;
    // the model and one checkpoint more than there are
    const needed = 2 * weights + moments + ema;
    await checkSpace(folder.path, needed, `Cannot train in ${quote(folder.path)}`);
    const { batch, seed } = settings;
    const sampler = new Sampler({ starts: train.starts, batch, seed, shuffle });
    await goOn(options, { trainer, sampler, shapes: origin.shapes, folder });
    await folder.keepSettings(record); // only now: settings refused so far may still change
    const log = await TrainLog.open(folder.path, trainer.step);
    const plan = trainer.plan;
    const report = await RunReport.open(folder.path, {
      options,
      tables: {
        Settings: settingsTable(settings),
        Model: {
          "starts from": options.model ?? "the released initialisation",
          autoencoder: origin.vaeModel,
          layers: String(origin.sizes.layers),
          width: String(origin.sizes.d),
          ...sizesTable(plan),
        },
        Data: dataTable(data, options.clips, "latents"),
        Machine: machineTable(gpu, plan, "videos"),
      },
      card: (step, lines) => modelCard({ options, origin, data, settings }, step, lines),
    });
    adviseAverage(options, settings);
    return await TrainRun.begin(options, {
      ...{ gpu, origin, folder, data, settings, trainer, sampler, log, report },
    });
  } catch (error) {
    trainer.close();
    throw error;
  }
}

/** Finds, checks and encodes the clips. @internal */
export async function openClips(
  options: TrainOptions,
  origin: Origin,
  gpu: Gpu,
): Promise<OpenedData> {
  const { output, interval = 1, resize = RESIZE, flip = false, cache = true } = options;
  let encoder: ReturnType<typeof openEncoder> | undefined;
  const { condition, patch, contextPatch } = origin.sizes;
  const named = origin.names && { names: origin.names };
  const numbers = actionNumbers(origin.dataFacts, origin.names);
  try {
    return await openData({
      ...{ sources: options.clips, condition, resize, flip, ...named },
      ...(numbers && { numbers }),
      window: { frames: framesOf(options, origin.sizes), interval },
      size: options.size ?? sizeOf(origin.far),
      multiple: origin.vae.compression * (contextPatch ?? patch),
      cache: cache ? join(output, "latents") : undefined,
      encoder: () => encoder ??= openEncoder(origin, gpu),
      heldOut: options.heldOut ?? "auto",
      skipBad: options.skipBad ?? false,
      ...(options.signal && { signal: options.signal }),
      onProgress: (stage, done, total) => options.onEvent?.({ event: "clips", stage, done, total }),
    });
  } finally {
    if (cache) await (await encoder)?.close();
  }
}

/** The size in a model's defaults. */
function sizeOf(far: Origin["far"]): { width: number; height: number } | undefined {
  const defaults = far.defaults;
  const size = defaults && typeof defaults === "object" && !Array.isArray(defaults)
    ? /^(\d+)x(\d+)$/.exec(String(defaults.size))
    : undefined;
  return size ? { width: Number(size[1]), height: Number(size[2]) } : undefined;
}

/** Averages over many more steps than the run has mostly contain the first weights. */
function adviseAverage({ steps, onEvent }: TrainOptions, { ema }: TrainerSettings): void {
  if (ema === undefined || steps * (1 - ema) >= 3) return;
  const span = Math.round(1 / (1 - ema));
  const better = steps < 100 ? 0 : Number((1 - 10 / steps).toFixed(3));
  onEvent?.({
    event: "note",
    text: `the model is an average over about ${span} steps (\`ema\` ${ema}), more than this run ` +
      `has: \`ema\` ${better} suits ${steps} steps${better === 0 ? ", for no average" : ""}`,
  });
}
