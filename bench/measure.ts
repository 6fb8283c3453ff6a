import type { GpuTimer, Timing } from "../gpu/timing.ts";
import { type Spread, spread } from "./spread.ts";

/** How often, and for how long at least, something is measured. */
export interface MeasureOptions {
  /** Measurements, of which the median counts. */
  readonly runs: number;
  /** Seconds that a measurement should take: short work is repeated within it. */
  readonly seconds: number;
  /** Stops between two measurements. */
  readonly signal?: AbortSignal;
}

/** Seconds of one piece of work. */
export interface Measured {
  /** By the clock on the wall. */
  readonly wall: Spread;
  /** By the GPU's own clock, where it has one. */
  readonly gpu: Spread | undefined;
  /** Of all cores that worked for this process. */
  readonly cpu: Spread;
}

/** Which seconds count: the GPU's own, the wall's, or those of the process's cores. */
export type Clock = "gpu" | "wall" | "cpu";

/** Seconds by a clock; by the wall's where the GPU has none. */
export function secondsBy({ wall, gpu, cpu }: Measured, clock: Clock): Spread {
  if (clock === "cpu") return cpu;
  return clock === "gpu" && gpu ? gpu : wall;
}

const MOST_REPEATS = 1000;

/**
 * Measures work that is queued by `enqueue(times)`, `times` times over. A first run warms up (it
 * compiles pipelines), a second one finds out how often to repeat.
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
