/**
 * Measures this tool on a real GPU in under eight minutes, for bench/results: the goldens, what a
 * dispatch costs, steps of FAR_B and FAR_B_Long by frame index in f16 and f32, decoding, what
 * tuning gains, and the released code's step beside it, if PyTorch is there.
 *
 *     deno run -A tools/measure_gpu.ts                  # prints Markdown
 *     deno run -A tools/measure_gpu.ts --quick          # a trial run on a CPU, with one block
 *     deno run -A tools/measure_gpu.ts --python PATH    # of a Python that has PyTorch
 *
 * Every part has its share of the time and is left out, with a line, when that is used up.
 */
import "../host/deno_host.ts";
import { measure, type Measured, secondsBy } from "../bench/measure.ts";
import { measureCodec } from "../bench/frames.ts";
import { measureStep } from "../bench/step.ts";
import { declareSynthetic } from "../bench/synthetic_model.ts";
import { type Tuned, tuneModel } from "../bench/tune.ts";
import { Gpu } from "../gpu/gpu.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { Memory } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { GpuTimer } from "../gpu/timing.ts";
import type { TuningTable } from "../gpu/tuning.ts";
import { Pipeline } from "../run/pipeline.ts";
import { selfTest } from "../run/self_test.ts";

const QUICK = Deno.args.includes("--quick");
/** A Python with PyTorch. */
const PYTHON = Deno.args.includes("--python")
  ? Deno.args[Deno.args.indexOf("--python") + 1]!
  : "python3";
/** Seconds in all; a part that begins later is left out. */
const BUDGET = 460;
const SIZE = { height: 8, width: 8 };
const FRAMES = QUICK ? [2] : [2, 16, 128];
const RUNS = QUICK ? { runs: 1, seconds: 0 } : { runs: 5, seconds: 1 };

const started = performance.now();

function used(): number {
  return (performance.now() - started) / 1e3;
}

/** The median, by the GPU's clock if it has one. */
function by(measured: Measured): number {
  return secondsBy(measured, "gpu").median;
}

/** A number of milliseconds. */
function ms(seconds: number): string {
  return (1e3 * seconds).toFixed(3);
}

async function part(name: string, body: () => Promise<void>): Promise<void> {
  console.log(`\n## ${name}\n`);
  if (used() > BUDGET) return console.log("Left out: no time was left.");
  try {
    await body();
  } catch (error) {
    console.log(`Failed: ${(error as Error).message}`);
  }
  console.log(`\n(${used().toFixed(0)} s)`);
}

async function goldens(gpu: Gpu): Promise<void> {
  console.log("| family | right | difference |\n|---|---|---:|");
  for await (const { family, ok, error, problem } of selfTest(gpu)) {
    console.log(`| ${family} | ${ok ? "yes" : "NO"} | ${problem ?? error!.toExponential(1)} |`);
  }
}

const EMPTY = defineKernel(
  "empty",
  "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n" +
    "@compute @workgroup_size(1) fn main() { if (y[0] == 1u) { y[1] = 0u; } }\n",
);

/** Dispatches that do nothing, each after the one before, in one pass. */
async function dispatches(gpu: Gpu, timer: GpuTimer): Promise<void> {
  const count = QUICK ? 100 : 10_000;
  const memory = new Memory();
  const p = new Program("empty", memory, gpu.adapter);
  const y = memory.tensor("y", [4], "u32");
  for (let i = 0; i < count; i++) p.dispatch({ kernel: EMPTY, buffers: { y }, groups: [1, 1, 1] });
  p.finish();
  memory.allocate(gpu);
  try {
    const start = performance.now();
    gpu.run(p);
    const encoded = performance.now() - start;
    const seconds = await measure(timer, (times) => timer.run(p, 0, count, times), RUNS);
    const each = (total: number) => (1e6 * total / count).toFixed(2);
    console.log(`${count} dispatches: ${each(by(seconds))} us each`);
    console.log(`(${each(encoded / 1e3)} us to encode the first time, with its pipeline)`);
  } finally {
    memory.free(gpu);
  }
}

/** A model with synthetic weights on the GPU. */
async function synthetic(
  gpu: Gpu,
  architecture: "FAR_B" | "FAR_B_Long",
  dtype: "f16" | "f32",
): Promise<Pipeline> {
  const layers = QUICK ? 1 : undefined;
  const model = declareSynthetic({ architecture, dtype, layers, device: gpu.adapter });
  await model.fill(gpu);
  return new Pipeline(gpu, model, false);
}

async function steps(gpu: Gpu, timer: GpuTimer): Promise<void> {
  console.log("| model | type | frames before | first of a frame, ms | a step, ms | dispatches |");
  console.log("|---|---|---:|---:|---:|---:|");
  for (const architecture of ["FAR_B", "FAR_B_Long"] as const) {
    for (const dtype of ["f16", "f32"] as const) {
      const { model } = await synthetic(gpu, architecture, dtype);
      for (const frame of FRAMES) {
        const of = (kind: "first" | "later") =>
          measureStep(gpu, timer, model, SIZE, { frame, kind }, RUNS);
        const first = await of("first");
        const later = await of("later");
        console.log(
          `| ${architecture} | ${dtype} | ${frame} | ${ms(by(first.seconds))} | ` +
            `${ms(by(later.seconds))} | ${later.work.dispatches} |`,
        );
      }
      model.memory.free(gpu);
    }
  }
}

async function decoding(gpu: Gpu, timer: GpuTimer): Promise<void> {
  const { model } = await synthetic(gpu, "FAR_B", "f16");
  for (const { half, seconds } of await measureCodec(gpu, timer, model, SIZE.height, RUNS)) {
    console.log(`- ${half} of a frame by the 8x autoencoder, f16: ${ms(by(seconds))} ms`);
  }
  model.memory.free(gpu);
}

/** What was tuned, and the step before and after. */
async function tuning(gpu: Gpu, timer: GpuTimer): Promise<void> {
  const pipeline = await synthetic(gpu, "FAR_B", "f16");
  const clock = "gpu" as const;
  const frame = QUICK ? 2 : 16;
  const results: Tuned[] = [];
  console.log("| kernel and shape | built in, ms | best, ms | best |\n|---|---:|---:|---|");
  for await (
    const tuned of tuneModel(gpu, timer, pipeline, {
      runs: 1,
      seconds: QUICK ? 0 : 0.05,
      clock,
      size: SIZE,
      frames: [frame],
    })
  ) {
    const { key, builtInSeconds, bestSeconds, best } = tuned;
    console.log(
      `| ${key} | ${ms(builtInSeconds)} | ${ms(bestSeconds)} | ${JSON.stringify(best)} |`,
    );
    results.push(tuned);
    if (used() > BUDGET || (QUICK && results.length > 1)) break;
  }
  const table: TuningTable = Object.fromEntries(results.map(({ key, best }) => [key, best]));
  const own = gpu.adapter as { tuning?: TuningTable };
  const before = own.tuning;
  const later = { frame, kind: "later" } as const;
  for (const [name, tuned] of [["untuned", undefined], ["tuned", table]] as const) {
    own.tuning = tuned;
    const { seconds } = await measureStep(gpu, timer, pipeline.model, SIZE, later, RUNS);
    console.log(`\nA step after ${frame} frames, ${name}: ${ms(by(seconds))} ms`);
  }
  own.tuning = before;
  pipeline.model.memory.free(gpu);
}

/** The released code's step, eager and without CUDA graphs: a script in a process with PyTorch. */
async function released(): Promise<void> {
  const script = `${import.meta.dirname}/compare_torch/bench.py`;
  const frames = FRAMES.map(String);
  for (const dtype of ["bfloat16", "float32"]) {
    const args = [script, "--device", QUICK ? "cpu" : "cuda", "--dtype", dtype];
    args.push("--ways", "released", "--runs", QUICK ? "1" : "9", "--frames", ...frames);
    const command = new Deno.Command(PYTHON, { args, stderr: "piped" });
    const output = await command.output().catch(() => undefined);
    const text = new TextDecoder().decode(output?.success ? output.stdout : output?.stderr);
    const problem = text.trim().split("\n").at(-1) || `there is no ${PYTHON}`;
    if (!output?.success) return console.log(`Left out: ${problem}`);
    const { device, frames: rows } = JSON.parse(text) as {
      device: string;
      frames: { frame: number; released: { step: Record<string, number> } }[];
    };
    for (const { frame, released } of rows) {
      console.log(`- ${device}, ${dtype}, after ${frame} frames: ${JSON.stringify(released.step)}`);
    }
  }
}

const gpu = await Gpu.open();
const timer = await GpuTimer.open(gpu);
const { name, vendor, f16, subgroupSize, wide } = gpu.adapter;
console.log(`# ${name}\n\nVendor ${vendor}, Deno ${Deno.version.deno}, shader-f16 ${f16},`);
console.log(`subgroups of at least ${subgroupSize}, wide workgroups ${wide}.`);
await part("Goldens of every family of kernels", () => goldens(gpu));
await part("What a dispatch costs", () => dispatches(gpu, timer));
await part("Steps", () => steps(gpu, timer));
await part("Decoding", () => decoding(gpu, timer));
await part("Tuning", () => tuning(gpu, timer));
await part("The released code", released);
timer.close();
await gpu.close();
