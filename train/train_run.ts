import { join } from "node:path";
import { isObject, type JsonObject } from "../files/json.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { actionNumbers } from "./data/data_facts.ts";
import { openData, type OpenedData } from "./data/open_data.ts";
import { writeStartClips } from "./folder/start_clips.ts";
import { farOf, openEncoder, type Origin, readOrigin, settingsOf } from "./origin.ts";
import { checkSettings } from "./plan.ts";
import { modelCard } from "./report/model_card.ts";
import { dataTable, machineTable, settingsTable, sizesTable } from "./report/tables.ts";
import { Run, type RunKind } from "./run.ts";
import type { Validation } from "./run_loop.ts";
import { clipOptions, framesOf, settingsRecord, type TrainOptions } from "./run_options.ts";
import { makeSample } from "./samples.ts";
import type { TrainBatch, TrainState } from "./settings.ts";
import { trainedParameters } from "./trained.ts";
import { Trainer, type TrainerSettings } from "./trainer.ts";

/** Most non-finite steps in a row while f16 finds its scale. */
const F16_PATIENCE = 20;

/** Types of a run that trains a transformer. */
interface TransformerRun {
  readonly options: TrainOptions;
  readonly origin: Origin;
  readonly settings: TrainerSettings;
  readonly trainer: Trainer;
}

/** How to open such a run. */
export const TRANSFORMER: RunKind<TransformerRun> = {
  readOrigin,
  openClips,
  settings: settingsOf,
  openTrainer: (gpu, settings, initial) => Trainer.open(gpu, settings, initial),
  record: (settings, { config, teacher }, _plan, clips) =>
    settingsRecord(settings, config, { ...clips, ...(teacher !== undefined && { teacher }) }),
  report({ options, origin, gpu, data, settings, trainer: { plan } }) {
    adviseAverage(options, settings);
    return {
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
    };
  },
};

/** A run of `train`. */
export class TrainRun extends Run<TransformerRun> {
  override readonly patience = this.parts.settings.dtype === "f16" ? F16_PATIENCE : 0;

  protected override async begin(): Promise<void> {
    const { folder, trainer, settings, origin: { config, vaeFolder: vae, shapes } } = this.parts;
    const state = await trainer.state();
    if (!await folder.isBegun()) {
      const weights = new Map([...state.parameters].filter(([name]) => shapes.has(name)));
      const { noise } = settings;
      await folder.writeModel({ config, vae, far: await this.#far(), shapes, noise }, weights);
    }
    // the run may have been killed between its last checkpoint and these
    if (trainer.step > 0) await this.writeModel(state);
  }

  /** far.json, with start clips if the data has pictures. */
  async #far(): Promise<JsonObject> {
    const { options, data: { pictures, examples, train }, origin, folder } = this.parts;
    const far = farOf(origin, options, pictures);
    if (!pictures) return far;
    const starts = await writeStartClips(folder.path, examples, {
      condition: origin.sizes.condition,
      names: origin.names,
      pictures: { ...pictures, resize: clipOptions(options).resize },
      window: train.window.frames,
      fps: Number(far.fps),
    });
    return { ...far, defaults: { ...(far.defaults as JsonObject), ...starts } };
  }

  protected override async measure(
    batch: TrainBatch,
    seed: number,
    signal?: AbortSignal,
  ): Promise<Validation | undefined> {
    const loss = await this.trainer.validate(batch, seed, signal);
    return loss === undefined ? undefined : { loss };
  }

  /** Averaged, with adapters merged. */
  protected override async writeModel(state: TrainState): Promise<void> {
    const { trainer, folder, origin: { shapes }, settings: { ema, lora } } = this.parts;
    if (lora) {
      const adapters = await trainer.parameters(ema === undefined ? "live" : "ema");
      await folder.writeAdapters(state.parameters, adapters, shapes, lora);
    } else {
      await folder.writeWeights(new Map([...state.parameters, ...state.ema ?? []]), shapes);
    }
  }

  protected override makeSample(to: string, name: string): Promise<string> {
    const { options, gpu, folder, data, origin } = this.parts;
    return makeSample({
      ...{ gpu, model: folder.path, data: data.heldOut ?? data.train, folder: to, name },
      scalingFactor: origin.vae.scalingFactor,
      fps: options.fps ?? 8,
      ...(options.distill && { steps: options.distill.steps }),
    });
  }
}

/** Refuses what no clip could make right, before clips are encoded. */
function checkOptions(options: TrainOptions, origin: Origin): void {
  const { patch, contextPatch = patch } = origin.sizes;
  const settings = settingsOf(options, origin, { height: contextPatch, width: contextPatch });
  checkSettings(settings);
  trainedParameters(settings);
}

/** Finds, checks and encodes the clips. */
async function openClips(
  options: TrainOptions,
  origin: Origin,
  gpu: Gpu,
): Promise<OpenedData> {
  checkOptions(options, origin);
  const { output, interval = 1, cache = true } = options;
  let encoder: ReturnType<typeof openEncoder> | undefined;
  const { condition, patch, contextPatch } = origin.sizes;
  const named = origin.names && { names: origin.names };
  const numbers = actionNumbers(origin.dataFacts, origin.names);
  try {
    const data = await openData({
      ...{ ...clipOptions(options), condition, ...named },
      ...(numbers && { numbers }),
      window: { frames: framesOf(options, origin.sizes), interval },
      size: options.size ?? sizeOf(origin.far),
      multiple: origin.vae.compression * (contextPatch ?? patch),
      cache: cache ? join(output, "latents") : undefined,
      encoder: () => encoder ??= openEncoder(origin, gpu),
      onProgress: (stage, done, total) => options.onEvent?.({ event: "clips", stage, done, total }),
    });
    checkChannels(data, origin);
    return data;
  } finally {
    if (cache) await (await encoder)?.close();
  }
}

function checkChannels({ train }: OpenedData, { sizes }: Origin): void {
  if (train.sizes.channels === sizes.channels) return;
  throw new TypeError(
    `Cannot train: the clips' latents have ${train.sizes.channels} channels, the transformer ` +
      `takes ${sizes.channels}`,
  );
}

/** The size in a model's defaults. */
function sizeOf(far: Origin["far"]): { width: number; height: number } | undefined {
  const size = isObject(far.defaults) && /^(\d+)x(\d+)$/.exec(String(far.defaults.size));
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
