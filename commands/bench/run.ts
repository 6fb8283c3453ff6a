import { GpuTimer, writeTuning } from "../../app.ts";
import {
  type Clock,
  type KernelResult,
  measureArchitecture,
  measureCodec,
  measureDecoder,
  measureGeneration,
  type MeasureOptions,
  measurePeaks,
  measureStep,
  measureTrainStep,
  type StepResult,
  syntheticPipeline,
  type Tuned,
  tuneModel,
} from "../../app_large.ts";
import { Gpu, loadPipeline, type Pipeline } from "../../mod.ts";
import { type BENCH_OPTIONS, PARTS } from "./spec.ts";
import {
  type Basis,
  type BenchResult,
  codecTable,
  generationText,
  kernelTable,
  peaksText,
  profileTable,
  stepTable,
  trainTable,
  tuningTable,
} from "./tables.ts";
import { runProtocol } from "./protocol.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";

type BenchCall = Call<typeof BENCH_OPTIONS>;
type BenchValues = BenchCall["options"];

/** Seconds per measurement, and per measurement of a kernel. */
const SECONDS = 0.1;
const KERNEL_SECONDS = 0.03;
/** Side of the pictures for codec and run, in latents. */
const LATENT_SIDE = 8;
const RUN_FRAMES = 3;
/** Clips of a training step of a small model, and from which width on one clip is enough. */
const TRAIN_CLIPS = 8;
const WIDE = 512;
const TRAIN_FRAMES = 16;

const CLOCK_TEXTS = {
  gpu: "the GPU's clock",
  wall: "the wall clock",
  cpu: "the process's CPU time",
} as const satisfies Record<Clock, string>;

/** What to measure of a model. */
interface Bench extends MeasureOptions {
  readonly gpu: Gpu;
  readonly timer: GpuTimer;
  readonly pipeline: Pipeline;
  readonly profile: boolean;
  readonly options: BenchValues;
  /** Shows a part as soon as it is measured; does nothing with JSON, which comes at the end. */
  readonly show: (text: string) => Promise<void>;
}

/** `far bench`: how fast kernels and a model are on this machine. */
export async function run({ options, terminal, signal }: BenchCall): Promise<void> {
  checkOptions(options);
  const start = performance.now();
  const gpu = await Gpu.open({ backend: options.backend });
  const open = (performance.now() - start) / 1000;
  try {
    const pipeline = await openPipeline(gpu, options);
    const load = { open, weights: (performance.now() - start) / 1000 - open };
    if (options.protocol !== undefined) {
      return await benchProtocol(pipeline, { options, terminal, signal });
    }
    const timer = await GpuTimer.open(gpu);
    const show = (text: string) => options.json ? Promise.resolve() : terminal.print(`${text}\n\n`);
    const runs = options.runs ?? (options.quick ? 3 : 5);
    const bench: Bench = {
      gpu,
      timer,
      pipeline,
      runs,
      seconds: SECONDS,
      signal,
      profile: options.profile ?? false,
      options,
      show,
    };
    const result = options.tune ? await tuneAll(bench) : await measureAll(bench, load);
    timer.close();
    await pipeline.close();
    if (options.json) await terminal.print(`${JSON.stringify(result, null, 2)}\n`);
  } finally {
    if (!signal.aborted) await gpu.close();
  }
}

/** Prints the lines of the protocol as they arrive; with --json one object at the end. */
async function benchProtocol(
  pipeline: Pipeline,
  { options, terminal, signal }: Pick<BenchCall, "options" | "terminal" | "signal">,
): Promise<void> {
  const { steps, json } = options;
  const frames = options.framesAt === undefined ? undefined : framesAt(options, true);
  const show = (text: string) => json ? Promise.resolve() : terminal.print(`${text}\n`);
  const { gpu, info, dtype } = pipeline;
  await show(`${info.name} in ${dtype} on ${gpu.adapter.name}, Deno ${Deno.version.deno}`);
  const runs = await runProtocol(pipeline, { frames, steps, signal, show });
  const result = { adapter: gpu.adapter.name, model: info.name, dtype, runs };
  if (json) await terminal.print(`${JSON.stringify(result, null, 2)}\n`);
  await pipeline.close();
}

/** @throws {UsageError} options that contradict each other */
function checkOptions(options: BenchValues): void {
  const { architecture, synthetic, model } = options;
  if (architecture && !synthetic) {
    throw new UsageError(
      `Cannot measure --architecture ${architecture} without weights: add --synthetic, or give a --model`,
    );
  }
  if (synthetic && !architecture) {
    throw new UsageError("Cannot use --synthetic alone: give --architecture NAME");
  }
  if (architecture && model && model !== DEMO) {
    throw new UsageError("Give --architecture or --model, not both");
  }
  framesAt(options, false);
}

/** Condition of the model in the released speed script. */
const FOUR_ACTIONS = { condition_cfg: { type: "action", num_action_classes: 4 } };

async function openPipeline(gpu: Gpu, options: BenchValues): Promise<Pipeline> {
  const { architecture, dtype = "auto", protocol, model } = options;
  const isReleased = protocol !== undefined && model === undefined && !architecture;
  if (!architecture && !isReleased) {
    return await loadPipeline(await modelPath(model ?? DEMO), { gpu, dtype });
  }
  const f16 = dtype === "f16" || (dtype === "auto" && gpu.adapter.f16 && !gpu.adapter.cpu);
  const whole = !options.only || options.only.some((part) => part === "codec" || part === "frames");
  return await syntheticPipeline(gpu, {
    architecture: architecture ?? "FAR_B_Long",
    config: isReleased ? FOUR_ACTIONS : undefined,
    dtype: f16 ? "f16" : "f32",
    only: whole ? undefined : "transformer",
  });
}

async function measureAll(bench: Bench, load: BenchResult["load"]): Promise<BenchResult> {
  const { gpu, timer, pipeline, options, show } = bench;
  const clock = clockOf(bench);
  const peaks = await measurePeaks(gpu, timer, clock, bench);
  const base = {
    adapter: gpu.adapter.name,
    deno: Deno.version.deno,
    model: pipeline.info.name,
    dtype: pipeline.dtype,
    runs: bench.runs,
    clock: clock as Clock,
    load,
    peaks,
  };
  await show(
    `${base.model} in ${base.dtype} on ${base.adapter}, Deno ${base.deno}; median of ` +
      `${base.runs} by ${CLOCK_TEXTS[base.clock]}\n` +
      `${peaksText(base)}\n` +
      `load: ${load.open.toFixed(2)} s for the GPU, ${load.weights.toFixed(2)} s for the weights`,
  );
  const parts = new Set<string>(options.only ?? PARTS.filter((part) => part !== "train"));
  return {
    ...base,
    kernels: parts.has("kernels") ? await kernels(bench, base) : undefined,
    codec: parts.has("codec") ? await codec(bench, base) : undefined,
    steps: parts.has("steps") ? await steps(bench, base) : undefined,
    generation: parts.has("frames") ? await generation(bench) : undefined,
    train: parts.has("train") ? await trainStep(bench, base) : undefined,
  };
}

/** Measures the ways to divide each kernel's work and saves the best. */
async function tuneAll(bench: Bench) {
  const { gpu, timer, pipeline, options, show } = bench;
  const results: Tuned[] = [];
  const how = {
    ...bench,
    seconds: KERNEL_SECONDS,
    clock: clockOf(bench),
    size: { height: LATENT_SIDE, width: LATENT_SIDE },
    frames: framesAt(options, pipeline.info.long),
  };
  for await (const tuned of tuneModel(gpu, timer, pipeline, how)) results.push(tuned);
  await show(tuningTable(results)); // before saving, which can fail
  const path = await writeTuning(
    gpu.adapter.name,
    Object.fromEntries(results.map(({ key, best }) => [key, best])),
  );
  await show(`Saved to ${path}`);
  return { adapter: gpu.adapter.name, path, tuning: results };
}

function clockOf({ timer, options }: Pick<Bench, "timer" | "options">): Clock {
  return options.cpuTime ? "cpu" : timer.stamped ? "gpu" : "wall";
}

async function kernels(bench: Bench, basis: Basis): Promise<readonly KernelResult[]> {
  const { gpu, timer, pipeline, options, show } = bench;
  const how = {
    ...bench,
    seconds: KERNEL_SECONDS,
    dtype: pipeline.dtype,
    frames: options.quick ? [16] : [16, 2, 128],
  };
  const results: KernelResult[] = [];
  const architectures = options.quick ? ["FAR_B"] as const : ["FAR_B", "FAR_L", "FAR_XL"] as const;
  for (const architecture of architectures) {
    for await (const result of measureArchitecture(gpu, timer, architecture, how)) {
      results.push(result);
    }
  }
  for await (const result of measureDecoder(gpu, timer, how)) results.push(result);
  await show(kernelTable(results, basis));
  return results;
}

async function codec(bench: Bench, basis: Basis) {
  const { gpu, timer, pipeline, show } = bench;
  const results = await measureCodec(gpu, timer, pipeline.model, LATENT_SIDE, bench);
  await show(codecTable(results, basis));
  for (const { half, profile } of results) {
    if (profile) await show(profileTable(half, profile));
  }
  return results;
}

async function steps(bench: Bench, basis: Basis): Promise<readonly StepResult[]> {
  const { gpu, timer, pipeline, options, show } = bench;
  const size = { height: LATENT_SIDE, width: LATENT_SIDE };
  const { windowCache } = options;
  const results: StepResult[] = [];
  for (const frame of framesAt(options, pipeline.info.long)) {
    for (const kind of ["later", "first"] as const) {
      results.push(
        await measureStep(gpu, timer, pipeline.model, size, { frame, kind, windowCache }, bench),
      );
    }
  }
  await show(stepTable(results, basis));
  for (const { frame, kind, profile } of results) {
    if (profile && kind === "later") await show(profileTable(`step after ${frame}`, profile));
  }
  return results;
}

async function generation({ pipeline, options, show }: Bench) {
  const own = pipeline.info.defaults.steps;
  const count = options.steps ?? (typeof own === "number" ? own : 8);
  const result = await measureGeneration(pipeline, RUN_FRAMES, count);
  await show(generationText(result));
  return result;
}

/** A step of training the model: eight clips, or one of a model that is large. */
async function trainStep(bench: Bench, basis: Basis) {
  const { gpu, timer, pipeline, show } = bench;
  const { info, model: { sizes } } = pipeline;
  const pixels = typeof info.defaults.size === "string" ? parseInt(info.defaults.size) : NaN;
  const side = pixels / info.compression || LATENT_SIDE;
  const videos = sizes.d < WIDE ? TRAIN_CLIPS : 1;
  const of = { videos, frames: TRAIN_FRAMES, height: side, width: side };
  const result = await measureTrainStep(gpu, timer, sizes, of, bench);
  await show(trainTable(result, basis));
  if (result.profile) await show(profileTable("training step", result.profile));
  return result;
}

/** Frames before the measured one. @throws {UsageError} not a number of frames */
function framesAt({ framesAt: given, architecture, quick }: BenchValues, long: boolean): number[] {
  if (given === undefined) {
    if (quick) return [2, 16];
    if (!architecture) return [2, 16, 64, 128, 156, 300];
    return long ? [16, 156, 300] : [2, 16, 64, 128];
  }
  return given.split(",").map((word) => {
    const frame = Number(word);
    if (word.trim() !== "" && Number.isInteger(frame) && frame >= 0 && frame <= 100_000) {
      return frame;
    }
    throw new UsageError(`Cannot use --frames-at ${given}: "${word}" is not a whole number`);
  });
}
