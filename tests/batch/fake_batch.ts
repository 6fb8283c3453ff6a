import { dirname, join } from "node:path";
import type { BatchExecutor } from "../../batch/batch_run.ts";
import { runBatch } from "../../batch/run_batch.ts";
import { digestFile } from "../../files/hash_file.ts";
import { JOB_KEY, outputPath } from "../../batch/plan/identity.ts";
import type { Job } from "../../batch/plan/job.ts";
import type { BATCH_OPTIONS } from "../../batch/plan/options.ts";
import { readResults } from "../../batch/results.ts";
import type { Outcome } from "../../batch/gpu/protocol.ts";
import type { Values } from "../../cli/option.ts";
import { createOutput } from "../../media/output_file.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";
import { type Recorder, recorder } from "../support/recorder.ts";

/** A model without a condition. */
export const MODEL = `${import.meta.dirname}/../fixtures/goldens/far-uncond`;

/**
 * Makes a small file with the job's hash in place of a video; the job's name decides what happens.
 */
class FakeExecutor implements BatchExecutor {
  readonly window = 4;
  readonly ran: string[] = [];
  /** Jobs in hand, and the most there were. */
  #now = 0;
  most = 0;
  ended: string | undefined;
  #stopped = Promise.withResolvers<never>();

  constructor(readonly folder: string, readonly failures: Record<string, Outcome | (() => void)>) {
    this.#stopped.promise.catch(() => {});
  }

  async submit(job: Job): Promise<Outcome> {
    const { id, outputs: names } = job.entry;
    this.ran.push(id);
    const failure = this.failures[id];
    if (typeof failure === "function") {
      failure();
      return await this.#stopped.promise;
    }
    if (failure) return failure;
    this.most = Math.max(this.most, ++this.#now);
    const outputs = [];
    for (const name of names) {
      const path = outputPath(this.folder, name);
      await Deno.mkdir(dirname(path), { recursive: true });
      await using file = await createOutput(path);
      await writeSafetensors(file, [], { [JOB_KEY]: job.hash });
      await file.commit();
      outputs.push({ path: name, ...await digestFile(path) });
    }
    this.#now--;
    return { status: "done", seconds: 1, batch: 1, outputs };
  }

  close(): Promise<void> {
    this.ended = "closed";
    return Promise.resolve();
  }

  kill(reason: Error): Promise<void> {
    this.ended ??= reason.message;
    this.#stopped.reject(reason);
    return Promise.resolve();
  }
}

/** How a run ended. */
export interface Ran {
  /** Jobs that were run, by id. */
  readonly ran: readonly string[];
  readonly error: Error | undefined;
  readonly terminal: Recorder;
  readonly ended: string | undefined;
  /** The most jobs that the executor had at once. */
  readonly most: number;
}

/** A batch with a made-up executor. */
export interface Stage {
  readonly out: string;
  run(
    lines: readonly unknown[],
    options?: Values<typeof BATCH_OPTIONS>,
    failures?: Record<string, Outcome | (() => void)>,
    signal?: AbortSignal,
  ): Promise<Ran>;
}

/** Runs batches in a folder of their own, which is removed afterwards. */
export async function stage(body: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const out = join(folder, "out");
  const manifest = join(folder, "jobs.jsonl");
  const run: Stage["run"] = async (lines, options = {}, failures = {}, signal) => {
    await Deno.writeTextFile(manifest, lines.map((line) => JSON.stringify(line)).join("\n"));
    const terminal = recorder();
    const executor = new FakeExecutor(out, failures);
    const call = {
      operands: [manifest],
      options: { model: MODEL, outDir: out, ...options },
      terminal,
      signal: signal ?? new AbortController().signal,
    };
    let error: Error | undefined;
    try {
      await runBatch(manifest, call, () => executor);
    } catch (thrown) {
      error = thrown as Error;
    }
    const { ran, ended, most } = executor;
    return { ran, error, terminal, ended, most };
  };
  try {
    await body({ out, run });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Jobs of one frame whose output can carry a hash. */
export const HEADER = {
  defaults: { frames: 1, steps: 1, size: "32x32", output: "{id}.safetensors" },
};
export const THREE = [HEADER, { id: "a" }, { id: "b", seed: 1 }, { id: "c", seed: 2 }];

/** The results file, one line per job. */
export const records = async (out: string) =>
  (await readResults(join(out, "results.jsonl"))).map(({ id, status }) => `${id} ${status}`);

/** The result of a failed job. */
export function failed(message: string, temporary = false): Outcome {
  return { status: "failed", error: { message, temporary } };
}
