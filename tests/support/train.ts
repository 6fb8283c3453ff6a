import assert from "node:assert/strict";
import { size } from "../../gpu/memory.ts";
import { type FarSizes, parseTransformerConfig } from "../../model/config.ts";
import {
  type ParameterSource,
  RELEASED_SETTINGS,
  type TrainBatch,
  type TrainerSettings,
} from "../../train/settings.ts";
import type { Trainer } from "../../train/trainer.ts";
import { type Golden, GOLDENS, openGolden } from "./far.ts";

/** What the released trainer logged of one step. */
export interface GoldenStep {
  readonly seed: number;
  readonly frames: number;
  readonly loss: number;
  readonly grad_norm: number;
  readonly lr: number;
  readonly zero_grads: readonly string[];
}

/** Hyper-parameters of a golden run, as its train.json or curve.json has them. */
interface GoldenRun {
  readonly seed: number;
  readonly batch: number;
  readonly frames: number;
  readonly size: readonly [number, number];
  readonly clean: number;
  readonly training_type: "base" | "long_context";
  readonly optim: { readonly lr: number; readonly betas: [number, number]; weight_decay: number };
  readonly warmup: number;
  readonly ema: number;
  readonly step: readonly GoldenStep[];
  /** A step whose window is all of it. */
  readonly nocontext?: GoldenStep;
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await Deno.readTextFile(`${GOLDENS}train/${path}`));
}

/** A golden run: its settings and its steps. */
export async function goldenRun(
  name: string,
): Promise<{ settings: TrainerSettings; steps: readonly GoldenStep[]; noContext?: GoldenStep }> {
  const config = parseTransformerConfig(await readJson(`${name}/config.json`) as never);
  const run = await readJson(`${name}/train.json`) as GoldenRun;
  return { settings: settingsOf(config, run), steps: run.step, noContext: run.nocontext };
}

function settingsOf(config: FarSizes, run: Omit<GoldenRun, "step">): TrainerSettings {
  return {
    ...RELEASED_SETTINGS,
    config,
    height: run.size[0],
    width: run.size[1],
    batch: run.batch,
    frames: run.frames,
    trainingType: run.training_type,
    lr: run.optim.lr,
    betas: run.optim.betas,
    weightDecay: run.optim.weight_decay,
    warmup: run.warmup,
    steps: 1000,
    ema: run.ema,
    cleanContext: run.clean,
    seed: run.seed,
  };
}

/** The batch that a golden's step was given. */
export async function goldenBatch(golden: Golden): Promise<TrainBatch> {
  const [videos, frames] = golden.shape("in.latent") as [number, number];
  const kind = ["in.action", "in.label"].find((name) => golden.has(name));
  return {
    videos,
    frames,
    latents: await golden.floats("in.latent"),
    ...(kind && { classes: Int32Array.from(await golden.integers(kind)) }),
  };
}

/** Weights of a golden file, for `Trainer.open`. */
export async function goldenWeights(path: string): Promise<ParameterSource> {
  const golden = await openGolden(path);
  const values = new Map<string, Float32Array>();
  for (const name of golden.names) values.set(name, await golden.floats(name));
  golden.close();
  return (name, shape) => {
    const found = values.get(name);
    if (found?.length !== size(shape)) throw new RangeError(`no ${name} [${shape}] in ${path}`);
    return Promise.resolve(found);
  };
}

/** A curve of the released trainer: 100 steps from one seed, over a few clips in their order. */
export interface GoldenCurve {
  readonly settings: TrainerSettings;
  readonly log: readonly {
    readonly loss: number;
    readonly grad_norm: number;
    readonly lr: number;
  }[];
  /** The batch of step `i`, from 0. */
  batch(i: number): TrainBatch;
}

/** Opens a golden curve. */
export async function goldenCurve(name: string): Promise<GoldenCurve> {
  const config = parseTransformerConfig(await readJson(`${name}/config.json`) as never);
  const run = await readJson(`${name}/curve.json`) as GoldenRun & { log: GoldenCurve["log"] };
  const golden = await openGolden(`train/${name}/data.safetensors`);
  const [clips, frames, , height, width] = golden.shape("latents") as number[];
  const latents = await golden.floats("latents");
  const actions = golden.has("actions") ? await golden.integers("actions") : undefined;
  golden.close();
  const clip = latents.length / clips!;
  const settings = settingsOf(config, { ...run, frames: frames!, size: [height!, width!] });
  return {
    settings: { ...settings, batch: run.batch },
    log: run.log,
    batch: (i) => {
      const order = Array.from({ length: run.batch }, (_, j) => (i * run.batch + j) % clips!);
      return {
        videos: run.batch,
        frames: frames!,
        latents: Float32Array.from(
          order.flatMap((at) => [...latents.subarray(at * clip, (at + 1) * clip)]),
        ),
        ...(actions && {
          classes: Int32Array.from(
            order.flatMap((at) => actions.slice(at * frames!, (at + 1) * frames!)),
          ),
        }),
      };
    },
  };
}

/** Trains along a curve. Returns the loss of each step; NaN where the step was not finite. */
export async function curveLosses(
  trainer: Trainer,
  { batch }: GoldenCurve,
  steps: number,
): Promise<number[]> {
  const losses: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const before = await (i < steps ? trainer.submit(batch(i)) : trainer.flush());
    if (before) losses.push(before.finite ? before.loss : NaN);
  }
  return losses;
}

/** Trains along a curve. Returns how far each step's loss is from the curve's, relatively. */
export async function followCurve(
  trainer: Trainer,
  curve: GoldenCurve,
  steps: number,
): Promise<number[]> {
  const losses = await curveLosses(trainer, curve, steps);
  return losses.map((loss, i) => Math.abs(loss / curve.log[i]!.loss - 1));
}

/** Trains up to a step, stops there by a signal, and awaits the end of the run. */
export async function stopAt<Options>(
  train: (options: Options) => AsyncIterable<{ readonly step: number }>,
  options: Options,
  last: number,
): Promise<void> {
  const stop = new AbortController();
  const reason = new Error("stopped");
  await assert.rejects(async () => {
    for await (const { step } of train({ ...options, signal: stop.signal })) {
      if (step === last) stop.abort(reason);
    }
  }, reason);
}
