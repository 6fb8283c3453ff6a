import type { GpuTimer, Timing } from "../gpu/timing.ts";
import { type Spread, spread } from "./spread.ts";

/** Number and least duration of measurements. */
export interface MeasureOptions {
  /** Number of measurements; the median is reported. */
  readonly runs: number;
  /** Seconds that a measurement should take: short work is repeated within it. */
  readonly seconds: number;
  /** Stops between two measurements. */
  readonly signal?: AbortSignal;
}

/** Seconds of one piece of work. */
export interface Measured {
  /** Wall time. */
  readonly wall: Spread;
  /** By the GPU's own clock, if it has one. */
  readonly gpu: Spread | undefined;
  /** CPU time of this process, summed over cores. */
  readonly cpu: Spread;
}

/** Which seconds to use: GPU time, wall time, or CPU time. */
export type Clock = "gpu" | "wall" | "cpu";

/** Seconds by a clock; wall time if the GPU has no clock. */
export function secondsBy({ wall, gpu, cpu }: Measured, clock: Clock): Spread {
  if (clock === "cpu") return cpu;
  return clock === "gpu" && gpu ? gpu : wall;
}

const MOST_REPEATS = 1000;

/**
 * Measures work that is queued by `enqueue(times)`, `times` times over. A first run warms up (it
 * compiles pipelines), a second one determines how often to repeat.
 */
export async function measure(
  timer: GpuTimer,
  enqueue: (times: number) => void,
  { runs, seconds, signal }: MeasureOptions,
): Promise<Measured> {
  await timer.time(() => enqueue(1));
  const once = await timer.time(() => enqueue(1));
  const expected = Math.max(once.gpu ?? once.wall, 1e-6);
  const times = Math.min(MOST_REPEATS, Math.max(1, Math.round(seconds / expected)));
  const timings: Timing[] = [];
  for (let i = 0; i < runs; i++) {
    signal?.throwIfAborted();
    const { wall, gpu, cpu } = await timer.time(() => enqueue(times));
    timings.push({
      wall: wall / times,
      gpu: gpu === undefined ? undefined : gpu / times,
      cpu: cpu / times,
    });
  }
  const stamped = timings.flatMap(({ gpu }) => gpu === undefined ? [] : [gpu]);
  return {
    wall: spread(timings.map(({ wall }) => wall)),
    gpu: stamped.length > 0 ? spread(stamped) : undefined,
    cpu: spread(timings.map(({ cpu }) => cpu)),
  };
}
