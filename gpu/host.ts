import type { TuningTable } from "./tuning.ts";

/** What is known of the machine beside what WebGPU tells. A browser knows nothing of it. */
export interface Host {
  /** Sets drivers up, before the first adapter is asked for. */
  setUp?(options: { readonly backend?: string }): void;
  /** What was measured to be best on an adapter, if anything was. */
  readTuning?(adapter: string): Promise<TuningTable | undefined>;
  /** Bytes of system memory that are free; undefined where nobody may know. */
  freeMemory?(): number | undefined;
  /** Seconds that all cores have worked for this process. */
  cpuSeconds?(): number;
}

let known: Host = {};

/** Says once, at the program's start, what machine it runs on. */
export function setHost(host: Host): void {
  known = host;
}

/** The machine that the program runs on. */
export function host(): Host {
  return known;
}
