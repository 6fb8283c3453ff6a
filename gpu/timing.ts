import { Commands } from "./commands.ts";
import type { Gpu } from "./gpu.ts";
import { host } from "./host.ts";
import type { Program } from "./program.ts";

/** Seconds of some work. */
export interface Timing {
  /** From the first command to the GPU being idle, without Deno's own wait for it. */
  readonly wall: number;
  /** Within the compute passes, by the GPU's own clock; undefined if it has none. */
  readonly gpu: number | undefined;
  /** CPU time of this process, summed over cores; unaffected by other processes. 0 if unknown. */
  readonly cpu: number;
}

/** Time and number of the dispatches with one label. */
export interface LabelTiming {
  /** Label of the dispatches. */
  readonly label: string;
  /** Dispatches. */
  readonly count: number;
  /** Total of these dispatches. */
  readonly seconds: number;
}

/** Two stamps per pass, and every device supports a set of 4096. */
const MOST_PASSES = 2048;
const STAMP_BYTES = 8;
const IDLE_WAITS = 5;

/**
 * Times programs on a device by wall time and, if the device has them, by time stamps at the ends
 * of compute passes. Nothing else may be queued meanwhile.
 */
export class GpuTimer {
  /** Seconds until an idle GPU is reported idle, which are subtracted from wall time. */
  readonly idleSeconds: number;
  readonly #gpu: Gpu;
  readonly #stamps: GPUQuerySet | undefined;
  #passes = 0;

  private constructor(gpu: Gpu, idleSeconds: number) {
    this.#gpu = gpu;
    this.idleSeconds = idleSeconds;
    if (gpu.adapter.timestamps) {
      this.#stamps = gpu.device.createQuerySet({ type: "timestamp", count: 2 * MOST_PASSES });
    }
  }

  /** Makes a timer; waits for the GPU a few times to measure what waiting costs. */
  static async open(gpu: Gpu): Promise<GpuTimer> {
    const waits: number[] = [];
    await gpu.idle();
    for (let i = 0; i < IDLE_WAITS; i++) {
      const start = performance.now();
      await gpu.idle();
      waits.push((performance.now() - start) / 1000);
    }
    return new GpuTimer(gpu, waits.sort((a, b) => a - b)[IDLE_WAITS >> 1]!);
  }

  /** Whether the GPU's own clock is there. */
  get stamped(): boolean {
    return this.#stamps !== undefined;
  }

  /** Times the work that `enqueue` queues; work queued with `run` is also stamped. */
  async time(enqueue: () => void): Promise<Timing> {
    await this.#gpu.idle();
    this.#passes = 0;
    const before = host().cpuSeconds?.() ?? 0;
    const start = performance.now();
    enqueue();
    await this.#gpu.idle();
    const cpu = (host().cpuSeconds?.() ?? 0) - before;
    const wall = (performance.now() - start) / 1000 - this.idleSeconds;
    const passes = await this.#read();
    const gpu = passes.length > 0 ? passes.reduce((a, b) => a + b, 0) : undefined;
    return { wall: Math.max(wall, 0), gpu, cpu };
  }

  /**
   * Queues a program, or its dispatches from `start` up to `end`, as one pass with stamps, `times`
   * times over.
   * @internal
   */
  run(program: Program, start = 0, end = Infinity, times = 1): void {
    program.make(this.#gpu);
    const encoder = this.#gpu.device.createCommandEncoder();
    const begin = () => encoder.beginComputePass({ timestampWrites: this.#nextStamps() });
    const commands = new Commands(encoder, begin);
    for (let i = 0; i < times; i++) program.encode(this.#gpu, commands, start, end);
    commands.end();
    this.#gpu.submit(encoder);
  }

  /** Stamps of the next pass; passes beyond the end of the set are not stamped. */
  #nextStamps(): GPUComputePassTimestampWrites | undefined {
    if (!this.#stamps || this.#passes === MOST_PASSES) return undefined;
    const first = 2 * this.#passes++;
    return {
      querySet: this.#stamps,
      beginningOfPassWriteIndex: first,
      endOfPassWriteIndex: first + 1,
    };
  }

  /**
   * @internal Runs a program with one pass per dispatch, so the sum exceeds the program's own time
   * by the cost of the passes. Undefined if the device has no clock.
   */
  async profile(program: Program): Promise<LabelTiming[] | undefined> {
    if (!this.#stamps) return undefined;
    const { labels } = program;
    const seconds = new Map<string, { count: number; seconds: number }>();
    for (let from = 0; from < labels.length; from += MOST_PASSES) {
      const part = labels.slice(from, from + MOST_PASSES);
      this.#passes = 0;
      for (const i of part.keys()) this.run(program, from + i, from + i + 1);
      for (const [i, time] of (await this.#read()).entries()) {
        const sum = seconds.get(part[i]!) ?? { count: 0, seconds: 0 };
        seconds.set(part[i]!, { count: sum.count + 1, seconds: sum.seconds + time });
      }
    }
    return [...seconds].map(([label, sum]) => ({ label, ...sum }));
  }

  /** Seconds of each pass stamped since the last reading. */
  async #read(): Promise<number[]> {
    const count = this.#passes;
    this.#passes = 0;
    if (!this.#stamps || count === 0) return [];
    const { device } = this.#gpu;
    const size = 2 * STAMP_BYTES * count;
    const resolved = device.createBuffer({
      size,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = device.createBuffer({
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      const encoder = device.createCommandEncoder();
      encoder.resolveQuerySet(this.#stamps, 0, 2 * count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
      this.#gpu.submit(encoder);
      await staging.mapAsync(GPUMapMode.READ);
      const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
      return Array.from({ length: count }, (_, i) => passSeconds(stamps, i));
    } finally {
      resolved.destroy();
      staging.destroy();
    }
  }

  /** Frees the stamps. */
  close(): void {
    this.#stamps?.destroy();
  }
}

/**
 * Nanoseconds wrap around on some devices; a pass that seems to end before it began counts as 0.
 */
function passSeconds(stamps: BigUint64Array, pass: number): number {
  const nanoseconds = stamps[2 * pass + 1]! - stamps[2 * pass]!;
  return Math.max(0, Number(nanoseconds)) / 1e9;
}
