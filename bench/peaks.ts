import type { Gpu } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import type { GpuTimer } from "../gpu/timing.ts";
import { FMA_FLOPS, peakCopy, peakFma } from "../kernels/peak.ts";
import { type Clock, measure, type MeasureOptions, secondsBy } from "./measure.ts";

/** Peak rates of an adapter with code that does nothing else. */
export interface Peaks {
  /** Floating-point operations per second of a plain f32 multiply-add loop. */
  readonly flops: number;
  /** Bytes per second, read and written, of a plain copy of 64 MB. */
  readonly bytes: number;
}

const LANES = { cpu: 1 << 14, gpu: 1 << 19 } as const;
const LOOPS = 256;
const COPIED = 4 << 20;

/** Many short runs, so that one of them finds free cores on a busy machine. */
const BOUND = { runs: 15, seconds: 0.03 };

/** Measures the adapter's peaks by a clock; the shortest run counts, since it is a bound. */
export async function measurePeaks(
  gpu: Gpu,
  timer: GpuTimer,
  clock: Clock,
  { signal }: Pick<MeasureOptions, "signal"> = {},
): Promise<Peaks> {
  const memory = new Memory();
  const lanes = LANES[gpu.adapter.cpu ? "cpu" : "gpu"];
  const y = memory.tensor("multiply-adds", [lanes, 4]);
  const fma = new Program("peak_fma", memory);
  peakFma(fma, y, { loops: LOOPS, a: 0.75, b: 0.25 });
  const from = memory.tensor("copy from", [COPIED, 4]);
  const to = memory.tensor("copy to", [COPIED, 4]);
  const copy = new Program("peak_copy", memory);
  peakCopy(copy, from, to);
  try {
    for (const program of [fma.finish(), copy.finish()]) program.memory.allocate(gpu);
    const run = (program: Program) =>
      measure(timer, (times) => timer.run(program, 0, Infinity, times), { ...BOUND, signal });
    return {
      flops: 4 * lanes * LOOPS * FMA_FLOPS / secondsBy(await run(fma), clock).min,
      bytes: 2 * 16 * COPIED / secondsBy(await run(copy), clock).min,
    };
  } finally {
    memory.free(gpu);
  }
}
