/**
 * Times one matrix product, f32, in several WebGPU libraries on the same adapter in the same run:
 *
 *     deno run -A compare.ts [--shape 64x768x3072] [--times 10] [--rounds 5] [--cpu-time] [--json]
 *         [ENGINE...]
 *
 * Rounds go through all engines in turn, so that other work on the machine hits all of them alike;
 * the median counts. A time includes reading y back once. --cpu-time counts this process's seconds
 * on all cores in place of the clock's: for software adapters on a machine that is not quiet.
 */
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { type AdapterUse, watchAdapter } from "./adapter.ts";
import type { Engine, Inputs, Shape } from "./engine.ts";

/** Loaded only when asked for: each library opens a device of its own. */
const ENGINES: Record<string, (inputs: Inputs) => Promise<Engine>> = {
  far: async (inputs) => (await import("./far.ts")).openFar(inputs),
  tfjs: async (inputs) => (await import("./tfjs.ts")).openTfjs(inputs),
  jax: async (inputs) => (await import("./jax.ts")).openJax(inputs),
  onnxruntime: async (inputs) => (await import("./onnxruntime.ts")).openOnnxRuntime(inputs),
};

/** max|a - b| / max|b| of a product in f32 with k in the thousands. */
const TOLERANCE = 1e-5;

interface Row {
  readonly engine: string;
  readonly gflops: number;
  readonly least: number;
  readonly most: number;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      shape: { type: "string", default: "64x768x3072" },
      times: { type: "string", default: "10" },
      rounds: { type: "string", default: "5" },
      "cpu-time": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const [m, k, n] = values.shape.split("x").map(Number);
  const inputs = randomInputs({ m: m!, k: k!, n: n! });
  const use = watchAdapter();
  const names = positionals.length ? positionals : Object.keys(ENGINES);
  const engines = await open(names, inputs, use);
  const rows = await time(engines, inputs, {
    times: Number(values.times),
    rounds: Number(values.rounds),
    clock: values["cpu-time"] ? cpuSeconds : seconds,
  });
  const adapters = [...use.adapters];
  if (values.json) console.log(JSON.stringify({ ...values, adapters, rows }, null, 2));
  else {
    const unit = values["cpu-time"] ? "GFLOP per CPU second" : "GFLOP/s";
    print(rows, `f32 ${values.shape} on ${adapters.join(", ")}, ${unit}: median (least to most)`);
  }
  for (const engine of engines) engine.close();
}

/** Reproducible numbers in [-1, 1). */
function randomInputs(shape: Shape): Inputs {
  let state = 1;
  const draw = (count: number) =>
    Float32Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 31 - 1;
    });
  return { ...shape, x: draw(shape.m * shape.k), w: draw(shape.k * shape.n) };
}

/** Opens each engine and keeps those whose product is right and was computed on the GPU. */
async function open(names: string[], inputs: Inputs, use: AdapterUse): Promise<Engine[]> {
  const engines = [];
  for (const name of names) {
    try {
      const before = use.dispatches;
      const engine = await ENGINES[name]!(inputs);
      const error = relativeError(await engine.multiply(2), inputs);
      if (error > TOLERANCE) throw new Error(`its product is wrong: relative error ${error}`);
      if (use.dispatches < before + 2) throw new Error("it did not use the GPU");
      engines.push(engine);
    } catch (error) {
      console.error(`${name}: left out, ${error instanceof Error ? error.message : error}`);
    }
  }
  return engines;
}

/** Against sums in float64, at every 97th element. */
function relativeError(y: Float32Array, { x, w, m, k, n }: Inputs): number {
  let difference = y.length === m * n ? 0 : Infinity;
  let scale = 0;
  for (let i = 0; i < m * n; i += 97) {
    const [row, column] = [Math.floor(i / n), i % n];
    let sum = 0;
    for (let j = 0; j < k; j++) sum += x[row * k + j]! * w[j * n + column]!;
    difference = Math.max(difference, Math.abs(y[i]! - sum));
    scale = Math.max(scale, Math.abs(sum));
  }
  return difference / scale;
}

function seconds(): number {
  return performance.now() / 1e3;
}

/** CPU time of all threads, including the driver's. */
function cpuSeconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}

interface Timing {
  readonly times: number;
  readonly rounds: number;
  readonly clock: () => number;
}

async function time(engines: Engine[], shape: Shape, timing: Timing): Promise<Row[]> {
  const { times, rounds, clock } = timing;
  const gflop = 2e-9 * shape.m * shape.k * shape.n * times;
  const seen = engines.map(() => [] as number[]);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, engine] of engines.entries()) {
      const start = clock();
      await engine.multiply(times);
      if (round > 0) seen[i]!.push(gflop / (clock() - start)); // the first round warms up
    }
  }
  return engines.map(({ name }, i) => {
    const sorted = seen[i]!.toSorted((a, b) => a - b);
    const gflops = sorted[Math.floor(sorted.length / 2)]!;
    return { engine: name, gflops, least: sorted[0]!, most: sorted.at(-1)! };
  });
}

function print(rows: Row[], title: string): void {
  console.log(title);
  for (const { engine, gflops, least, most } of rows) {
    const range = `(${least.toFixed(1)} to ${most.toFixed(1)})`;
    console.log(`  ${engine.padEnd(42)} ${gflops.toFixed(1).padStart(8)}  ${range}`);
  }
}

await main();
