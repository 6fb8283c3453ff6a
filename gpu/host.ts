import type { TuningTable } from "./tuning.ts";

/** Facts about the machine that WebGPU does not report. A browser has none of them. */
export interface Host {
  /** Prepares drivers before the first adapter is requested. */
  setUp?(options: { readonly backend?: string }): void;
  /** What the environment says of adapters, `NAME=value`, if anything. */
  restriction?(): string | undefined;
  /** Tuning measured for an adapter, if any. */
  readTuning?(adapter: string): Promise<TuningTable | undefined>;
  /** Bytes of free system memory; undefined if unknown. */
  freeMemory?(): number | undefined;
  /** CPU seconds of this process, summed over cores. */
  cpuSeconds?(): number;
}

let known: Host = {};

/** Sets the host, once, when the program starts. */
export function setHost(host: Host): void {
  known = host;
}

/** The machine that the program runs on. */
export function host(): Host {
  return known;
}
