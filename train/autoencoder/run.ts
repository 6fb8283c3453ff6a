import { join } from "node:path";
import { writeWhole } from "../../files/atomic_file.ts";
import { configText } from "../../released/model_files.ts";
import { writeFloats } from "../../weights/safetensors.ts";
import { openData, type OpenedData } from "../data/open_data.ts";
import { PICTURES } from "../data/picture_clip.ts";
import { dataTable, machineTable, settingsTable, sizesTable } from "../report/tables.ts";
import { Run, type RunKind } from "../run.ts";
import type { Validation } from "../run_loop.ts";
import { clipOptions } from "../run_options.ts";
import type { TrainBatch, TrainState } from "../settings.ts";
import { type AutoencoderOptions, autoencoderRecord, autoencoderSettings } from "./options.ts";
import { type AutoencoderOrigin, readAutoencoderOrigin } from "./origin.ts";
import { isStatistic } from "./parameters.ts";
import { measureScale, samplePictures } from "./samples.ts";
import type { AutoencoderSettings } from "./settings.ts";
import { AutoencoderTrainer } from "./trainer.ts";

const FPS = 8;
const WEIGHTS = "diffusion_pytorch_model.safetensors";

/** Types of a run that trains an autoencoder. */
interface Types {
  readonly options: AutoencoderOptions;
  readonly origin: AutoencoderOrigin;
  readonly settings: AutoencoderSettings;
  readonly trainer: AutoencoderTrainer;
}

/** How to open such a run. */
export const AUTOENCODER: RunKind<Types> = {
  readOrigin: readAutoencoderOrigin,
  openClips,
  settings: autoencoderSettings,
  openTrainer: (gpu, settings, initial) => AutoencoderTrainer.open(gpu, settings, initial),
  phases: ({ discStart = 0, steps }) => discStart > 0 && discStart < steps ? [0, discStart] : [0],
  record: (settings, _origin, { microBatch }, clips) =>
    autoencoderRecord(settings, microBatch, clips),
  report: ({ options, origin, gpu, data, settings, trainer: { plan } }) => ({
    tables: {
      Settings: settingsTable(settings),
      Model: {
        "starts from": options.model ?? "PyTorch's default initialisation",
        compression: `${origin.sizes.compression}x`,
        ...sizesTable(plan),
        ...(settings.discStart !== undefined && {
          discriminator: `${settings.discFilters} filters, after step ${settings.discStart}`,
        }),
      },
      Data: dataTable(data, options.clips, "pictures"),
      Machine: machineTable(gpu, plan, "pictures"),
    },
  }),
};

/** A run that trains an autoencoder. */
export class AutoencoderRun extends Run<Types> {
  protected override async begin(): Promise<void> {
    if (!await this.folder.isBegun()) await this.writeModel();
  }

  /** Loss, PSNR and SSIM. */
  protected override measure(batch: TrainBatch): Promise<Validation> {
    return this.trainer.validate(batch);
  }

  override save(state: TrainState): Promise<string> {
    const statistics = [...state.parameters].filter(([name]) => isStatistic(name));
    return super.save({ ...state, ema: state.ema && new Map([...state.ema, ...statistics]) });
  }

  /** Its weights, then the matching scale. */
  protected override async writeModel(): Promise<void> {
    const { gpu, folder: { path }, origin: { config, shapes }, trainer, data } = this.parts;
    const file = join(path, "config.json");
    const weights = await trainer.parameters();
    const named = [...shapes.keys()].map((name) => [name, weights.get(name)!] as const);
    await writeFloats(join(path, WEIGHTS), new Map(named), (name) => shapes.get(name)!);
    const whole = { _class_name: "MyAutoencoderDC", ...config };
    await writeWhole(file, configText(whole));
    const scale = await measureScale({ gpu, model: path, data: data.train });
    if (scale !== undefined) {
      await writeWhole(file, configText({ ...whole, scaling_factor: scale }));
    }
  }

  protected override makeSample(to: string, name: string): Promise<string> {
    const { options, gpu, folder, data } = this.parts;
    return samplePictures({
      ...{ gpu, model: folder.path, data: data.heldOut ?? data.train, folder: to, name },
      fps: options.fps ?? FPS,
    });
  }
}

/** Finds and checks the clips, and keeps their pictures. */
async function openClips(
  options: AutoencoderOptions,
  { sizes }: AutoencoderOrigin,
): Promise<OpenedData> {
  const data = await openData({
    ...clipOptions(options),
    condition: { kind: "none", count: 0 },
    window: { frames: options.frames ?? 4, interval: options.interval ?? 1 },
    size: options.size,
    multiple: sizes.compression,
    cache: undefined,
    remember: options.cache ?? true,
    encoder: () => Promise.resolve(PICTURES),
    onProgress: (stage, done, total) => {
      if (stage === "checked") options.onEvent?.({ event: "clips", stage, done, total });
    },
  });
  if (data.train.sizes.channels !== 3) {
    throw new TypeError("Cannot train an autoencoder on latents: give clips of pictures");
  }
  return data;
}
