import { join } from "node:path";
import { writeWhole } from "../../files/atomic_file.ts";
import { Gpu } from "../../gpu/gpu.ts";
import { configText } from "../../released/model_files.ts";
import { openData, type OpenedData } from "../data/open_data.ts";
import { PICTURES } from "../data/picture_clip.ts";
import { Sampler } from "../data/sampler.ts";
import {
  CHECKPOINTS,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "../folder/checkpoint.ts";
import { RunFolder, writeTensors } from "../folder/run_folder.ts";
import { type LogLine, TrainLog } from "../folder/train_log.ts";
import { goOn } from "../go_on.ts";
import { RunReport } from "../report/run_report.ts";
import { dataTable, machineTable, settingsTable, sizesTable } from "../report/tables.ts";
import { RunLoop, type RunTask, type TrainedStep, type Validation } from "../run_loop.ts";
import { learningRate } from "../schedule.ts";
import type { TrainBatch, TrainState } from "../settings.ts";
import { type AutoencoderOptions, autoencoderRecord, autoencoderSettings } from "./options.ts";
import { type AutoencoderOrigin, readAutoencoderOrigin } from "./origin.ts";
import { isStatistic } from "./parameters.ts";
import { measureScale, samplePictures } from "./samples.ts";
import type { AutoencoderSettings } from "./settings.ts";
import { AutoencoderTrainer } from "./trainer.ts";

const KEEP = 2;
const FPS = 8;
const VALIDATION_BATCHES = 4;
const WEIGHTS = "diffusion_pytorch_model.safetensors";

/** Parts of a run. */
interface Parts {
  readonly gpu: Gpu;
  readonly origin: AutoencoderOrigin;
  readonly folder: RunFolder;
  readonly data: OpenedData;
  readonly settings: AutoencoderSettings;
  readonly trainer: AutoencoderTrainer;
  readonly sampler: Sampler;
  readonly log: TrainLog;
  readonly report: RunReport;
}

/** A run that trains an autoencoder: data, trainer, and the output folder. */
export class AutoencoderRun implements RunTask {
  readonly patience = 0;
  readonly #options: AutoencoderOptions;
  readonly #parts: Parts;

  private constructor(options: AutoencoderOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Opens everything and continues where the run was stopped. @throws as `trainAutoencoder` */
  static async open(options: AutoencoderOptions): Promise<AutoencoderRun> {
    const origin = await readAutoencoderOrigin(options);
    const folder = await RunFolder.open(options.output);
    const gpu = options.gpu ?? await Gpu.open({ backend: options.backend });
    try {
      const run = new AutoencoderRun(options, await openParts(options, origin, folder, gpu));
      if (!await folder.isBegun()) await run.#writeModel();
      return run;
    } catch (error) {
      folder.close();
      if (!options.gpu) await gpu.close();
      throw error;
    }
  }

  get trainer(): AutoencoderTrainer {
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

  /** Loss, PSNR and SSIM of held-out pictures, with the current weights. */
  async validate(): Promise<Validation | undefined> {
    const { data: { heldOut }, trainer, settings: { batch } } = this.#parts;
    if (!heldOut) return undefined;
    const clips = heldOut.clips.length;
    const batches = Math.min(VALIDATION_BATCHES, Math.ceil(clips / batch));
    const sum = { loss: 0, psnr: 0, ssim: 0 };
    for (let i = 0; i < batches; i++) {
      const picks = Array.from(
        { length: batch },
        (_, clip) => ({ clip: (i * batch + clip) % clips, start: 0 }),
      );
      const found = await trainer.validate(await heldOut.batch(picks));
      for (const key of ["loss", "psnr", "ssim"] as const) sum[key] += found[key] / batches;
    }
    return sum;
  }

  async save(state: TrainState): Promise<string> {
    const { folder, origin, settings, sampler } = this.#parts;
    const { lr, betas, eps, weightDecay } = settings;
    const nextLr = learningRate(settings, state.step + 1);
    const numbers = { lr, nextLr, betas, eps, weightDecay };
    const statistics = [...state.parameters].filter(([name]) => isStatistic(name));
    const ema = state.ema && new Map([...state.ema, ...statistics]);
    const extras = { position: sampler.position };
    const whole = { ...state, ema };
    const path = await saveCheckpoint(folder.path, whole, origin.shapes, numbers, extras);
    await this.#writeModel();
    await pruneCheckpoints(folder.path, this.#options.keep ?? KEEP);
    return path;
  }

  /** Writes the current autoencoder: its weights, then the matching scale. */
  async #writeModel(): Promise<void> {
    const { gpu, folder: { path }, origin: { config, shapes }, trainer, data } = this.#parts;
    const file = join(path, "config.json");
    const weights = await trainer.parameters();
    const named = [...shapes.keys()].map((name) => [name, weights.get(name)!] as const);
    await writeTensors(join(path, WEIGHTS), new Map(named), (name) => shapes.get(name)!);
    const whole = { _class_name: "MyAutoencoderDC", ...config };
    await writeWhole(file, configText(whole));
    const scale = await measureScale({ gpu, model: path, data: data.train });
    if (scale !== undefined) {
      await writeWhole(file, configText({ ...whole, scaling_factor: scale }));
    }
  }

  async sample(step: number): Promise<string> {
    const { gpu, folder, data, report } = this.#parts;
    const path = await samplePictures({
      ...{ gpu, model: folder.path, data: data.heldOut ?? data.train },
      fps: this.#options.fps ?? FPS,
      folder: join(folder.path, "samples"),
      name: `step-${step}`,
    });
    await report.addSample(step, path);
    return path;
  }
}

/** Finds and checks the clips, and keeps their pictures. @internal */
export async function openPictures(
  options: AutoencoderOptions,
  { sizes }: Pick<AutoencoderOrigin, "sizes">,
): Promise<OpenedData> {
  const { interval = 1, resize = "bilinear", flip = false } = options;
  const data = await openData({
    ...{ sources: options.clips, resize, flip },
    condition: { kind: "none", count: 0 },
    window: { frames: options.frames ?? 4, interval },
    size: options.size,
    multiple: sizes.compression,
    cache: undefined,
    remember: options.cache ?? true,
    encoder: () => Promise.resolve(PICTURES),
    heldOut: options.heldOut ?? "auto",
    skipBad: options.skipBad ?? false,
    ...(options.signal && { signal: options.signal }),
    onProgress: (stage, done, total) => {
      if (stage === "checked") options.onEvent?.({ event: "clips", stage, done, total });
    },
  });
  if (data.train.sizes.channels !== 3) {
    throw new TypeError("Cannot train an autoencoder on latents: give clips of pictures");
  }
  return data;
}

async function openParts(
  options: AutoencoderOptions,
  origin: AutoencoderOrigin,
  folder: RunFolder,
  gpu: Gpu,
): Promise<Parts> {
  const data = await openPictures(options, origin);
  for (const problem of data.skipped) options.onEvent?.({ event: "skipped", problem });
  const { train } = data;
  const settings = autoencoderSettings(options, origin, train.sizes);
  const trainer = await AutoencoderTrainer.open(gpu, settings, origin.initial);
  try {
    const { plan } = trainer;
    const { shuffle = true, interval = 1 } = options;
    const clips = { interval, shuffle, clips: train.clips.length, clipFrames: train.frames };
    const record = autoencoderRecord(settings, plan.microBatch, clips);
    await folder.checkSettings(record);
    const { batch, seed } = settings;
    const sampler = new Sampler({ starts: train.starts, batch, seed, shuffle });
    await goOn(options, { trainer, sampler, shapes: origin.shapes, folder });
    await folder.keepSettings(record);
    const log = await TrainLog.open(folder.path, trainer.step);
    const report = await RunReport.open(folder.path, {
      options,
      tables: {
        Settings: settingsTable(settings),
        Model: {
          "starts from": options.model ?? "PyTorch's default initialisation",
          compression: `${origin.sizes.compression}x`,
          ...sizesTable(plan),
        },
        Data: dataTable(data, options.clips, "pictures"),
        Machine: machineTable(gpu, plan, "pictures"),
      },
    });
    return { gpu, origin, folder, data, settings, trainer, sampler, log, report };
  } catch (error) {
    trainer.close();
    throw error;
  }
}
