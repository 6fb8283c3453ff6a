import { measureProtocol, type ProtocolRun, SPEED_PROTOCOL } from "../../app_large.ts";
import type { Pipeline } from "../../mod.ts";
import { table } from "./tables.ts";

/** Changes to the protocol, and where its lines go. */
export interface ProtocolCall {
  readonly frames: readonly number[] | undefined;
  readonly steps: number | undefined;
  readonly signal: AbortSignal;
  /** Prints a text. */
  readonly show: (text: string) => Promise<void>;
}

/** Runs the protocol of the released speed script and prints its lines as they arrive. */
export async function runProtocol(pipeline: Pipeline, call: ProtocolCall): Promise<ProtocolRun[]> {
  const { frames = SPEED_PROTOCOL.frames, steps = SPEED_PROTOCOL.steps, signal, show } = call;
  const options = { ...SPEED_PROTOCOL, frames, steps, signal };
  const runs: ProtocolRun[] = [];
  for await (const run of measureProtocol(pipeline, options)) {
    const before = runs.at(-1);
    if (before?.model !== run.model || before.cache !== run.cache) await show(headLine(run));
    await show(runLines(run));
    runs.push(run);
  }
  await show(`\n${protocolTable(runs)}`);
  return runs;
}

function headLine({ model, cache }: ProtocolRun): string {
  return `benchmark ${model} with kv_cache=${cache ? "True" : "False"}`;
}

/** The two lines of the released script; its megabytes have 1024 x 1024 bytes. */
export function runLines({ frames, seconds, bytes, problem }: ProtocolRun): string {
  if (seconds === undefined || !bytes) return `[SKIPPED] ${frames} frames: ${problem}`;
  const megabytes = (count: number) => (count / 2 ** 20).toFixed(2);
  return `[TIMER] Generated ${frames} frames at ${seconds.toFixed(2)} s.\n` +
    `[MEMORY] Allocated: ${megabytes(bytes.allocated)} MB | Peak: ${megabytes(bytes.peak)} MB`;
}

/** Seconds by length, one row per model and cache. */
export function protocolTable(runs: readonly ProtocolRun[]): string {
  const lengths = [...new Set(runs.map(({ frames }) => frames))];
  const rows = [...Map.groupBy(runs, headLine).values()].map((group) => {
    const { model, cache } = group[0]!;
    const cells = lengths.map((length) => {
      const run = group.find(({ frames }) => frames === length);
      return run?.seconds === undefined ? "-" : run.seconds.toFixed(2);
    });
    return [model, cache ? "on" : "off", ...cells];
  });
  return table(["model", "cache", ...lengths.map((length) => `${length} frames, s`)], rows, 2);
}
