import { join } from "node:path";
import { Gpu } from "../gpu/gpu.ts";
import { openData, type OpenedData } from "./data/open_data.ts";
import { Sampler } from "./data/sampler.ts";
import {
  CHECKPOINTS,
  checkpointSteps,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "./folder/checkpoint.ts";
import { RunFolder } from "./folder/run_folder.ts";
import { TrainLog } from "./folder/train_log.ts";
import { farOf, openEncoder, type Origin, readOrigin, settingsOf } from "./origin.ts";
import { RunReport } from "./report/run_report.ts";
import { framesOf, settingsRecord, type TrainEvent, type TrainOptions } from "./run_options.ts";
import { makeSample } from "./samples.ts";
import { learningRate } from "./schedule.ts";
import { type StepResult, Trainer, type TrainerSettings } from "./trainer.ts";

/** A step, and how long it took. */
export interface TrainedStep extends StepResult {
  /** Wall time of the step. */
  readonly seconds: number;
}

/** Training went wrong; the last checkpoint is as it was. */
export class TrainingError extends Error {
  /** @ignore */
  override readonly name = "TrainingError";
}

const SAVE_EVERY = 500;
const KEEP = 2;
const VALIDATE_EVERY = 500;
/** Batches of a validation, with their seeds the same each time. */
const VALIDATION_BATCHES = 4;
/** Steps in a row without finite numbers that f16 may take to find its scale. */
const F16_PATIENCE = 20;
const MOST_ROLLBACKS = 3;

/** What a run consists of. */
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

/** A run of `train`: data, trainer, and the folder that everything goes to. */
export class TrainRun {
  readonly #options: TrainOptions;
  readonly #parts: Parts;
  /** Steps handed to the trainer, and done. */
  #submitted: number;
  #done: number;
  #saved: number;
  #time = performance.now();
  #strange = 0;
  #rollbacks = 0;

  private constructor(options: TrainOptions, parts: Parts, step: number) {
    this.#options = options;
    this.#parts = parts;
    this.#submitted = this.#done = this.#saved = step;
  }

  /** Opens everything, and goes to where the run was stopped. @throws as `train` */
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
    const { folder, trainer, origin, data, settings } = parts;
    const run = new TrainRun(options, parts, trainer.step);
    const { config, vaeFolder: vae, shapes } = origin;
    const far = farOf(origin, options, data.pictures);
    if (!settings.lora) {
      const weights = await trainer.parameters(settings.ema === undefined ? "live" : "ema");
      await folder.writeModel({ config, vae, far, shapes }, weights);
    } else {
      const { parameters } = await trainer.state();
      const base = new Map([...parameters].filter(([name]) => shapes.has(name)));
      await folder.writeModel({ config, vae, far, shapes }, base);
    }
    return run;
  }

  /** The steps that are left. */
  async *steps(): AsyncGenerator<TrainedStep, void, void> {
    const { trainer } = this.#parts;
    this.#time = performance.now();
    while (this.#done < this.#options.steps) {
      if (this.#submitted < this.#options.steps) {
        const before = await this.#submit();
        if (before) yield* this.#finish(before);
      }
      const stopped = this.#options.signal?.aborted;
      const ends = this.#submitted >= this.#options.steps;
      if (this.#submitted > this.#done && (stopped || ends || this.#isDue(this.#submitted))) {
        const last = await trainer.flush();
        if (last) yield* this.#finish(last);
        if (this.#done === this.#submitted) await this.#pause(stopped || ends);
      }
      if (stopped) throw this.#options.signal!.reason;
    }
  }

  async close(): Promise<void> {
    const { trainer, folder, log, gpu } = this.#parts;
    trainer.close();
    log.close();
    folder.close();
    if (!this.#options.gpu) await gpu.close();
  }

  async #submit(): Promise<StepResult | undefined> {
    const { trainer, sampler, data, settings } = this.#parts;
    let before: StepResult | undefined;
    for (let part = 0; part < settings.accumulate; part++) {
      before = await trainer.submit(await data.train.batch(sampler.next())) ?? before;
    }
    this.#submitted++;
    return before;
  }

  /** Records a step; what is not finite is dealt with before anybody sees it. */
  async *#finish(result: StepResult): AsyncGenerator<TrainedStep, void, void> {
    const now = performance.now();
    const seconds = (now - this.#time) / 1000;
    this.#time = now;
    this.#done = result.step;
    if (await this.#isStrange(result)) return;
    const { step, loss, gradNorm, lr } = result;
    const rounded = Number(seconds.toFixed(4));
    const finite = (value: number) => Number.isFinite(value) ? value : null;
    await this.#parts.log.add({
      step,
      loss: finite(loss),
      grad_norm: finite(gradNorm),
      lr,
      seconds: rounded,
    });
    yield { ...result, seconds };
  }

  /** @returns whether the run went back @throws {TrainingError} it cannot go on */
  async #isStrange({ step, finite, loss, gradNorm }: StepResult): Promise<boolean> {
    if (finite && loss > 0 && gradNorm === 0) {
      this.#stop(`the gradient of step ${step} is zero everywhere: nothing would be learned`);
    }
    this.#strange = finite ? 0 : this.#strange + 1;
    const { dtype } = this.#parts.settings;
    if (finite || (dtype === "f16" && this.#strange <= F16_PATIENCE)) return false;
    const what = `the loss or the gradient of step ${step} is not finite`;
    if (this.#options.nan !== "rollback") this.#stop(what);
    if (this.#saved === 0 || this.#rollbacks++ >= MOST_ROLLBACKS) this.#stop(what);
    await this.#rollback(step);
    return true;
  }

  #stop(why: string): never {
    const good = this.#saved > 0
      ? `the checkpoint of step ${this.#saved} is good: continue \`from\` it with other settings`
      : "no checkpoint was reached";
    throw new TrainingError(
      `Stopped: ${why}; ${good}. Try a lower \`lr\`, more \`warmup\`, or \`dtype\` f32`,
    );
  }

  /** Goes back to the last checkpoint, and on with other clips and draws. */
  async #rollback(step: number): Promise<void> {
    const { trainer, folder, origin } = this.#parts;
    await trainer.flush();
    const { random } = await trainer.state();
    const path = join(folder.path, CHECKPOINTS, `step-${this.#saved}`);
    const { state } = await loadCheckpoint(path, origin.shapes);
    await trainer.restore({ ...state, random });
    this.#submitted = this.#done = this.#saved;
    await this.#tell({ event: "rollback", step, to: this.#saved });
  }

  #every(kind: "saveEvery" | "sampleEvery" | "validateEvery"): number {
    const defaults = { saveEvery: SAVE_EVERY, sampleEvery: 0, validateEvery: VALIDATE_EVERY };
    return this.#options[kind] ?? defaults[kind];
  }

  #isDue(step: number): boolean {
    const kinds = ["saveEvery", "sampleEvery", "validateEvery"] as const;
    return kinds.some((kind) => this.#isTime(kind, step));
  }

  #isTime(kind: "saveEvery" | "sampleEvery" | "validateEvery", step: number): boolean {
    const every = this.#every(kind);
    return every > 0 && step % every === 0;
  }

  /** Between two steps: validates, saves, samples, as it is time; all of it at the end. */
  async #pause(isLast: boolean | undefined): Promise<void> {
    const step = this.#done;
    const stopped = this.#options.signal?.aborted;
    if (!stopped && (this.#isTime("validateEvery", step) || isLast)) await this.#validate();
    const samples = !stopped && this.#every("sampleEvery") > 0 &&
      (this.#isTime("sampleEvery", step) || isLast === true);
    if (samples || isLast || this.#isTime("saveEvery", step)) await this.#save();
    if (samples) await this.#sample();
    await this.#parts.report.write(step, this.#parts.log.lines);
    this.#time = performance.now();
  }

  async #validate(): Promise<void> {
    const { data: { heldOut }, trainer, settings: { batch }, log } = this.#parts;
    if (!heldOut || this.#every("validateEvery") === 0) return;
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
    const loss = sum / batches;
    await log.add({ event: "validation", step: this.#done, loss });
    this.#options.onEvent?.({ event: "validation", step: this.#done, loss });
  }

  async #save(): Promise<void> {
    const { trainer, folder, origin, settings, sampler } = this.#parts;
    const state = await trainer.state();
    const { lr, betas, eps, weightDecay } = settings;
    const nextLr = learningRate(settings, state.step + 1);
    const numbers = { lr, nextLr, betas, eps, weightDecay };
    const path = await saveCheckpoint(folder.path, state, origin.shapes, numbers, {
      position: sampler.position,
    });
    this.#saved = state.step;
    this.#rollbacks = 0;
    const average = settings.ema === undefined ? "live" : "ema";
    if (settings.lora) {
      const adapters = await trainer.parameters(average);
      await folder.writeAdapters(state.parameters, adapters, origin.shapes, settings.lora);
    } else {
      const averaged = new Map([...state.parameters, ...state.ema ?? []]);
      await folder.writeWeights(averaged, origin.shapes);
    }
    await pruneCheckpoints(folder.path, this.#options.keep ?? KEEP);
    this.#options.onEvent?.({ event: "saved", step: state.step, path });
  }

  async #sample(): Promise<void> {
    const { gpu, folder, data, origin, report } = this.#parts;
    const path = await makeSample({
      gpu,
      model: folder.path,
      data: data.heldOut ?? data.train,
      scalingFactor: origin.vae.scalingFactor,
      fps: this.#options.fps ?? 8,
      folder: join(folder.path, "samples"),
      name: `step-${this.#done}`,
    });
    await report.addSample(this.#done, path);
    await this.#tell({ event: "sample", step: this.#done, path });
  }

  async #tell(event: Extract<TrainEvent, { step: number }>): Promise<void> {
    await this.#parts.log.add({ ...event });
    this.#options.onEvent?.(event);
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
  const record = { interval, shuffle, clips: train.clips.length, frames: train.frames };
  await folder.checkSettings(settingsRecord(settings, origin.config, record));
  const trainer = await Trainer.open(gpu, settings, origin.initial);
  try {
    const { batch, seed } = settings;
    const sampler = new Sampler({ starts: train.starts, batch, seed, shuffle });
    await goOn(options, { trainer, sampler, origin, folder });
    const log = await TrainLog.open(folder.path, trainer.step);
    const report = await RunReport.open(folder.path, {
      options,
      origin,
      data,
      settings,
      gpu,
      plan: trainer.plan,
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
  const { output, interval = 1, resize = "bilinear", flip = false, cache = true } = options;
  let encoder: ReturnType<typeof openEncoder> | undefined;
  const { condition, patch, contextPatch } = origin.sizes;
  const named = origin.names && { names: origin.names };
  try {
    return await openData({
      ...{ sources: options.clips, condition, resize, flip, ...named },
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

/** The size that a model's defaults name. */
function sizeOf(far: Origin["far"]): { width: number; height: number } | undefined {
  const defaults = far.defaults;
  const size = defaults && typeof defaults === "object" && !Array.isArray(defaults)
    ? /^(\d+)x(\d+)$/.exec(String(defaults.size))
    : undefined;
  return size ? { width: Number(size[1]), height: Number(size[2]) } : undefined;
}

/** Restores the newest checkpoint of the folder, or the one to begin with. */
async function goOn(
  { from, onEvent }: TrainOptions,
  { trainer, sampler, origin, folder }: Pick<Parts, "trainer" | "sampler" | "origin" | "folder">,
): Promise<void> {
  const newest = (await checkpointSteps(folder.path)).at(-1);
  const path = newest === undefined ? from : join(folder.path, CHECKPOINTS, `step-${newest}`);
  if (path === undefined) return;
  const { state, extras } = await loadCheckpoint(path, origin.shapes);
  await trainer.restore(state);
  if (extras) sampler.seek(extras.position);
  onEvent?.({ event: "resumed", step: state.step, path });
}

/** Averages over many more steps than there are show the first weights. */
function adviseAverage({ steps, onEvent }: TrainOptions, { ema }: TrainerSettings): void {
  if (ema === undefined || steps * (1 - ema) >= 3) return;
  const span = Math.round(1 / (1 - ema));
  const better = Math.max(0.9, 1 - 10 / steps).toFixed(3).replace(/0+$/, "");
  onEvent?.({
    event: "note",
    text: `the model is an average over about ${span} steps (\`ema\` ${ema}), more than this run ` +
      `has: \`ema\` ${better} suits ${steps} steps`,
  });
}
