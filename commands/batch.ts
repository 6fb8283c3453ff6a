import { join, resolve } from "node:path";
import {
  type Item,
  type JobsOptions,
  readDefaults,
  readJobs,
  streamJobs,
} from "./batch/batch_jobs.ts";
import { BatchRun, type Executor, expectedFiles, type Tally } from "./batch/batch_run.ts";
import { drive, itemsOf } from "./batch/drive.ts";
import { FolderLock } from "./batch/folder_lock.ts";
import { ownCommand } from "./batch/gpu_process.ts";
import { parseShard } from "./batch/identity.ts";
import { type Job, wireJob } from "./batch/job.ts";
import type { BATCH_OPTIONS } from "./batch/options.ts";
import { removePartials } from "./batch/partial_files.ts";
import { knownResults, ResultsFile, resultsName } from "./batch/results.ts";
import { Supervisor } from "./batch/supervisor.ts";
import type { Call } from "./command.ts";
import { UsageError } from "./errors.ts";
import { optionName } from "./option.ts";
import { type Progress, startProgress } from "./progress.ts";

type BatchCall = Call<typeof BATCH_OPTIONS>;

/** Jobs that wait for the GPU at once: enough to find some of equal shape among them. */
const WINDOW = 256;

/** Some jobs have failed; the status tells whether another run may cure them all. */
export class JobsFailedError extends Error {
  override readonly name = "JobsFailedError";
  readonly temporary: boolean;

  constructor({ failed, temporary, failedBefore }: Tally, results: string) {
    const before = failedBefore > 0
      ? ` (${failedBefore} of them in an earlier run; --retry-failed tries them again)`
      : "";
    super(`${failed} ${failed === 1 ? "job has" : "jobs have"} failed${before}: see "${results}"`);
    this.temporary = failed === temporary;
  }
}

/** `far batch`: runs the jobs of a manifest, here or through a queue. */
export async function run(call: BatchCall): Promise<void> {
  const { operands, options } = call;
  const [source, ...rest] = operands;
  if (source === "status" || source === "failed" || source === "retry") {
    const { reportQueue } = await import("./batch/queue_report.ts");
    return await reportQueue(source, rest, call);
  }
  if (rest.length > 0) throw new UsageError(`Cannot use "${rest[0]}": give one manifest`);
  const gpuBatch = parseGpuBatch(options.gpuBatch);
  if (options.redis !== undefined) {
    const { runThroughQueue } = await import("./batch/queue_batch.ts");
    return await runThroughQueue(source!, call);
  }
  await runBatch(source!, call, (note) => {
    const supervisor = new Supervisor({
      command: ownCommand(),
      gpuBatch,
      backend: options.backend,
      hangAfter: options.hangAfter ?? 600,
      note,
      said: options.verbose ? note : undefined,
    });
    const folder = resolve(options.outDir!);
    return {
      window: WINDOW,
      submit: (job) => supervisor.submit(wireJob(job, folder)),
      close: () => supervisor.close(),
      kill: (reason) => supervisor.kill(reason),
    };
  });
}

/** An executor with an end. */
export interface BatchExecutor extends Executor {
  /** All jobs have ended. */
  close(): Promise<void>;
  /** Jobs that have not ended are given up; `reason` says why. */
  kill(reason: Error): Promise<void>;
}

/**
 * Reads, checks, runs and records the jobs of a manifest.
 * @param open makes what runs them; its notes go to the user
 * @throws {UsageError} all that is wrong with the manifest, before anything runs
 * @throws {JobsFailedError} when all has ended
 */
export async function runBatch(
  source: string,
  call: BatchCall,
  open: (note: (line: string) => void) => BatchExecutor | Promise<BatchExecutor>,
): Promise<void> {
  const { options, terminal, signal } = call;
  const start = performance.now();
  if (options.outDir === undefined) {
    throw new UsageError("Say where the outputs go: give --out-dir DIR");
  }
  const jobs = await jobsOptions(options);
  const all = source === "-" ? undefined : await readJobs(source, jobs);
  const folder = resolve(options.outDir);
  const results = new ResultsFile(
    options.results ?? join(folder, resultsName(jobs.shard)),
  );
  const known = await knownResults(folder, results.path);
  const tell = options.quiet ? () => {} : terminal.note;
  let progress: Progress | undefined;
  const batch = new BatchRun({
    folder,
    results,
    known,
    force: options.force,
    retryFailed: options.retryFailed,
    failFast: options.failFast,
    onFailure: ({ id, error }) => terminal.note(`job "${id}" failed: ${error}`),
    onEnd: ({ done, failed, failedBefore }) => progress?.update(done + failed - failedBefore),
  });
  if (options.dryRun) return await (await import("./batch/dry_run.ts")).dryRun(all, batch, call);
  await Deno.mkdir(folder, { recursive: true });
  using _lock = await FolderLock.take(folder, lockName(jobs.shard));
  await removePartials(folder, (all ?? []).flatMap(expectedFiles));
  const items = all ? await settleAll(all, batch) : streamJobs(Deno.stdin.readable, jobs);
  if (Array.isArray(items)) {
    progress = await startProgress({ unit: "jobs", total: items.length }, options, terminal);
  }
  try {
    if (!Array.isArray(items) || items.length > 0) {
      const stream = Array.isArray(items) ? itemsOf(items) : items;
      await runItems(stream, batch, await open(tell), folder, signal);
    }
  } finally {
    progress?.stop();
  }
  await report(batch.tally, results.path, performance.now() - start, call);
}

/** Enters what is done already. @returns the rest */
async function settleAll(jobs: readonly Job[], batch: BatchRun): Promise<Job[]> {
  const rest: Job[] = [];
  for (const job of jobs) {
    const decision = await batch.decide(job);
    if (decision.kind === "run") rest.push(job);
    else await batch.settle(decision);
  }
  return rest;
}

async function runItems(
  items: AsyncGenerator<Item, void, void>,
  batch: BatchRun,
  executor: BatchExecutor,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(signal.reason);
  signal.addEventListener("abort", interrupt);
  if (signal.aborted) interrupt();
  const unfinished = new Set<Job>();
  stop.signal.addEventListener("abort", () => executor.kill(stop.signal.reason));
  try {
    await drive(items, batch, executor, stop, unfinished);
    await executor.close();
  } catch (error) {
    await executor.kill(error as Error);
    await removePartials(folder, [...unfinished].flatMap(expectedFiles));
    throw error;
  } finally {
    signal.removeEventListener("abort", interrupt);
  }
}

async function jobsOptions(options: BatchCall["options"]): Promise<JobsOptions> {
  const fields: Record<string, unknown> = {};
  for (const key of ["model", "dtype"] as const) {
    if (options[key] !== undefined) fields[optionName(key)] = options[key];
  }
  const common = [{ fields, where: "the command line" }];
  if (options.defaults !== undefined) {
    common.push({ fields: await readDefaults(options.defaults), where: options.defaults });
  }
  return { common, shard: options.shard === undefined ? undefined : parseShard(options.shard) };
}

function lockName(shard: JobsOptions["shard"]): string {
  return shard ? `.${shard.index}-of-${shard.count}` : "";
}

/** Reads `--gpu-batch`. @throws {UsageError} */
export function parseGpuBatch(text = "auto"): number | "auto" {
  if (text === "auto") return text;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot use --gpu-batch ${text}: it must be auto, or a number from 1`);
}

async function report(
  tally: Tally,
  results: string,
  milliseconds: number,
  { options, terminal }: BatchCall,
): Promise<void> {
  const { done, skipped, failed, failedBefore, queued } = tally;
  const seconds = Math.round(milliseconds) / 1000;
  const jobs = done + skipped + failed + queued;
  if (options.json) {
    const summary = { jobs, done, skipped, failed, failedBefore, queued, seconds, results };
    await terminal.print(`${JSON.stringify(summary)}\n`);
  } else if (!options.quiet) {
    const before = skipped > 0 ? `, ${skipped} were done before` : "";
    const bad = failed > 0 ? `, ${failed} failed` : "";
    const rest = queued > 0 ? `, ${queued} are on the queue` : "";
    await terminal.print(`${done} of ${jobs} jobs done in ${seconds} s${before}${bad}${rest}\n`);
  }
  if (failed > 0) throw new JobsFailedError(tally, results);
}
