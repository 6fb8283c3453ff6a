import type { Gpu } from "../gpu/gpu.ts";
import { Memory, type Tensor } from "../gpu/memory.ts";
import { type Dispatch, Program } from "../gpu/program.ts";
import { choices, type TuningTable } from "../gpu/tuning.ts";
import type { GpuTimer } from "../gpu/timing.ts";
import type { Pipeline } from "../run/pipeline.ts";
import { selfTest } from "../run/self_test.ts";
import { seededFloats } from "../run/self_test_bench.ts";
import { declareCodec } from "./kernels.ts";
import { type Clock, measure, type MeasureOptions, secondsBy } from "./measure.ts";
import { type LatentSize, recordStep } from "./step.ts";
import { type Numbers, type Tunable, tunables } from "./tunables.ts";

/** Result of tuning a kernel at one shape. */
export interface Tuned {
  /** Kernel and shape. */
  readonly key: string;
  /** The built-in choice. */
  readonly builtIn: Numbers;
  /** Seconds of the built-in choice. */
  readonly builtInSeconds: number;
  /** The best one: the built-in choice unless another is clearly faster. */
  readonly best: Numbers;
  /** Seconds of the best one. */
  readonly bestSeconds: number;
}

/** A choice must be this much faster to replace the built-in one: less may be chance. */
const CLEARLY = 0.95;

/**
 * Largest difference between results that rounding explains, relative to the largest value: to the order
 * of sums, or, where products are added up in f16, to half floats.
 */
const AGREEMENT = 1e-3;
const AGREEMENT_IN_F16 = 4e-3;

/**
 * Parameters that are tried together; what is best of the first stays while the others are tried:
 * all combinations would be four times as many.
 */
const ROUNDS: readonly (readonly string[])[] = [
  ["rows", "tile", "slices", "shuffle", "parts"],
  ["blocks", "ahead"],
  ["packed", "split"],
];

/** Every combination of these of a kernel's parameters, the built-in one first. */
export function candidates(
  { key, builtIn }: Pick<Tunable, "key" | "builtIn">,
  varied: readonly string[] = Object.keys(builtIn),
): Numbers[] {
  const kernel = key.split(" ")[0];
  let all: Numbers[] = [builtIn];
  for (const [name, value] of Object.entries(builtIn)) {
    if (!varied.includes(name)) continue;
    const values = [value, ...choices(`${kernel} ${name}`).filter((other) => other !== value)];
    all = all.flatMap((numbers) => values.map((number) => ({ ...numbers, [name]: number })));
  }
  return all;
}

/** Fills a kernel's inputs with numbers from -1 to 1, the same each time. */
function fill(gpu: Gpu, { buffers, kernel }: Dispatch): void {
  for (const [name, bound] of Object.entries(buffers)) {
    const { writable } = kernel.bindings.get(name)!;
    if (writable || !("buffer" in bound) || bound.dtype === "u32") continue;
    const { buffer, dtype } = bound;
    const floats = seededFloats(buffer.bytes / (dtype === "f16" ? 2 : 4), 1);
    gpu.write(buffer, 0, dtype === "f16" ? new Float16Array(floats) : floats);
  }
}

/** Whether results agree, except for rounding. */
function agrees(actual: Float32Array, wanted: Float32Array, agreement: number): boolean {
  const largest = wanted.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return actual.every((v, i) => Math.abs(v - wanted[i]!) <= agreement * largest);
}

/** Families of self-tests by the first word of a key. */
const FAMILIES: Readonly<Record<string, RegExp>> = {
  linear: /^(linear, |layer norm)/,
  qkv: /^attention, /,
  conv2d: /^convolution, /,
  attention: /^attention, /,
};

/** Whether a kernel is right also on the awkward sizes of the self-tests if divided like this. */
async function passesSelfTest(
  gpu: Gpu,
  { key }: Pick<Tunable, "key">,
  numbers: Numbers,
): Promise<boolean> {
  const kernel = key.split(" ")[0]!;
  // also where the keys of a table differ
  const tuning = new Proxy<TuningTable>({}, { get: () => numbers });
  const wanted = (family: string) => FAMILIES[kernel]?.test(family) ?? false;
  for await (const { ok } of selfTest(gpu, undefined, { ...gpu.adapter, tuning }, wanted)) {
    if (!ok) return false;
  }
  return true;
}

/** A way to divide a kernel's work, and the seconds that it takes. */
interface Measured {
  readonly tuning: Numbers;
  readonly seconds: number;
}

/** Measures ways to divide one kernel's work, each once, and whether their results agree. */
class Trial {
  readonly results: Measured[] = [];
  readonly #seen = new Set<string>();
  #wanted: Float32Array | undefined;

  constructor(
    readonly gpu: Gpu,
    readonly timer: GpuTimer,
    readonly tunable: Tunable,
    readonly options: MeasureOptions & { readonly clock: Clock },
  ) {}

  /** The fastest so far. */
  get fastest(): Measured {
    return this.results.reduce((a, b) => b.seconds < a.seconds ? b : a);
  }

  /** @param again also if it was measured before */
  async measure(tuning: Numbers, again = false): Promise<void> {
    const { gpu, timer, tunable, options } = this;
    const memory = new Memory();
    const p = new Program(tunable.key, memory, gpu.adapter);
    let result!: Tensor;
    p.scope(() => {
      result = tunable.record(p, tuning);
    });
    p.finish();
    // a device may have no room for what a choice asks, and does less
    const recorded = JSON.stringify(
      p.recorded.map(({ kernel, constants }) => [kernel.name, constants]),
    );
    if (!again && this.#seen.has(recorded)) return;
    this.#seen.add(recorded);
    try {
      memory.allocate(gpu);
      fill(gpu, p.recorded[0]!);
      tunable.prepare?.(gpu, p);
      const enqueue = (times: number) => timer.run(p, 0, p.dispatches, times);
      const seconds = secondsBy(await measure(timer, enqueue, options), options.clock);
      // once more, alone: some add to what is there
      gpu.write(result.buffer, 0, new Uint8Array(result.buffer.bytes));
      gpu.run(p);
      const numbers = await gpu.readFloats(result);
      const agreement = tuning.packed ? AGREEMENT_IN_F16 : AGREEMENT;
      if (agrees(numbers, this.#wanted ??= numbers, agreement)) {
        this.results.push({ tuning, seconds: seconds.min });
      }
    } finally {
      memory.free(gpu);
    }
  }
}

/**
 * Measures the ways to divide a kernel's work at one shape, round by round. One whose results differ
 * from the built-in one's, such as by a driver's fault, is left out.
 */
export async function tune(
  gpu: Gpu,
  timer: GpuTimer,
  tunable: Tunable,
  options: MeasureOptions & { readonly clock: Clock },
): Promise<Tuned> {
  const trial = new Trial(gpu, timer, tunable, options);
  await trial.measure(tunable.builtIn);
  for (const round of ROUNDS) {
    const from = { key: tunable.key, builtIn: trial.fastest.tuning };
    for (const tuning of candidates(from, round)) await trial.measure(tuning);
  }
  // again at the end: the machine may be less busy by now
  await trial.measure(tunable.builtIn, true);
  const [first, last] = [trial.results[0]!, trial.results.at(-1)!];
  const own = first.seconds < last.seconds ? first : last;
  const { fastest } = trial;
  const clearly = fastest.seconds < CLEARLY * own.seconds;
  const best = clearly && await passesSelfTest(gpu, tunable, fastest.tuning) ? fastest : own;
  return {
    key: tunable.key,
    builtIn: own.tuning,
    builtInSeconds: own.seconds,
    best: best.tuning,
    bestSeconds: best.seconds,
  };
}

/** Which work of a model to tune. */
export interface TuneOptions extends MeasureOptions {
  /** Clock for the comparison. */
  readonly clock: Clock;
  /** Latent height and width. */
  readonly size: LatentSize;
  /** Frames before the noisy one. */
  readonly frames: readonly number[];
}

/**
 * Measures every way to divide the kernels of a model's steps and of its autoencoder, shape by
 * shape. `writeTuning` saves the results; later runs on the device use them.
 */
export async function* tuneModel(
  gpu: Gpu,
  timer: GpuTimer,
  { model }: Pipeline,
  { size, frames, ...options }: TuneOptions,
): AsyncGenerator<Tuned> {
  const programs: Program[] = [];
  for (const frame of frames) {
    for (const kind of ["first", "later"] as const) {
      const { passes } = recordStep(model, new Memory(), gpu.adapter, size, { frame, kind });
      programs.push(...passes.map(({ program }) => program));
    }
  }
  const { encoder, decoder } = declareCodec(gpu, model, new Memory(), size.height);
  if (encoder) programs.push(encoder);
  for (const tunable of tunables([...programs, decoder])) {
    yield await tune(gpu, timer, tunable, options);
  }
}
