import { basename, join, resolve } from "node:path";
import { orAborted } from "../cli/abort.ts";
import { escaped } from "../cli/escape.ts";
import { InterruptedError, UsageError } from "../cli/errors.ts";
import { inFlags } from "../cli/flags.ts";
import { type Progress, startProgress } from "../cli/progress.ts";
import { jsonOf } from "../cli/settings.ts";
import { type BatchExecutor, BatchRun, expectedFiles, type Tally } from "./batch_run.ts";
import { drive, itemsOf } from "./drive.ts";
import { lockFolder } from "./folder_lock.ts";
import { Leftovers, removePartials } from "./partial_files.ts";
import {
  type Item,
  type JobsOptions,
  readDefaults,
  readJobs,
  streamJobs,
} from "./plan/batch_jobs.ts";
import { BatchPage } from "./page/batch_page.ts";
import type { Fields } from "./plan/expand.ts";
import { parseShard, shardMark } from "./plan/identity.ts";
import type { Job } from "./plan/job.ts";
import type { BatchCall } from "./plan/options.ts";
import { Warnings } from "./warnings.ts";
import { checkResultsPath, knownResults, type ResultRecord, ResultsFile } from "./results.ts";
import { count } from "../request/report.ts";

/** Some jobs have failed; the exit status says whether a retry may fix all of them. */
export class JobsFailedError extends Error {
  override readonly name = "JobsFailedError";
  readonly temporary: boolean;

  constructor({ failed, temporary, failedBefore }: Tally, results: string) {
    const before = failedBefore > 0
      ? ` (${failedBefore} in an earlier run; use --retry-failed to run them again)`
      : "";
    super(`${failed} ${failed === 1 ? "job has" : "jobs have"} failed${before}: see "${results}"`);
    this.temporary = failed === temporary;
  }
}

/** A parsed and checked batch. */
interface Setup {
  /** Undefined for a stream. */
  readonly all: readonly Job[] | undefined;
  readonly jobs: JobsOptions;
  readonly folder: string;
  readonly results: ResultsFile;
  readonly batch: BatchRun;
  readonly warnings: Warnings;
  /** Records of earlier runs, by hash. */
  readonly known: ReadonlyMap<string, ResultRecord>;
  /** Page with all jobs. */
  page?: BatchPage;
  /** Progress display. */
  progress?: Progress;
}

/** Opens a batch's executor. @param note for the user; @param warnings that the user has seen */
export type OpenExecutor = (
  note: (line: string) => void,
  warnings: Warnings,
) => BatchExecutor | Promise<BatchExecutor>;

/** Results of a batch. */
export interface BatchOutcome {
  readonly tally: Tally;
  readonly seconds: number;
  /** File with one line per job. */
  readonly results: string;
}

/**
 * Reads, checks, runs and records the jobs of a manifest, and reports how they ended.
 * @throws {UsageError} lists all problems of the manifest, before anything runs
 * @throws {JobsFailedError} when all has ended
 */
export async function runBatch(source: string, call: BatchCall, open: OpenExecutor): Promise<void> {
  const outcome = await executeBatch(source, call, open, true);
  if (outcome) await report(outcome, call);
}

/**
 * `runBatch` without the final report, for commands that consist of jobs.
 * @param withPage whether to write a page with all jobs
 * @returns nothing after a dry run
 * @throws {UsageError} as `runBatch`
 */
export async function executeBatch(
  source: string,
  call: BatchCall,
  open: OpenExecutor,
  withPage = false,
): Promise<BatchOutcome | undefined> {
  const start = performance.now();
  const setup = await orAborted(setUp(source, call), call.signal);
  const { all, jobs, folder, results, batch } = setup;
  const note = noteOf(call);
  if (all) warnOf(all, setup.warnings, note);
  if (call.options.dryRun) {
    await (await import("./dry_run.ts")).dryRun(all, batch, call);
    return undefined;
  }
  await makeOutDir(folder);
  await checkResultsPath(results.path);
  using _lock = await lockFolder(folder, shardMark(jobs.shard));
  if (withPage) setup.page = await openPage(source, setup, note);
  try {
    await (all ? runAll(all, setup, call, open) : runStream(setup, call, open));
  } finally {
    await setup.page?.close(call.signal);
  }
  const seconds = Math.round(performance.now() - start) / 1000;
  return { tally: batch.tally, results: results.path, seconds };
}

/** The jobs of a manifest; those that have ended are not run again. */
async function runAll(
  all: readonly Job[],
  setup: Setup,
  call: BatchCall,
  open: OpenExecutor,
): Promise<void> {
  const { batch, folder } = setup;
  await removeUnfinished(all, folder, call);
  const rest = await orAborted(settleAll(all, batch), call.signal);
  noteOf(call)(beginning(all.length, rest.length));
  await runShown(itemsOf(rest), rest.length, setup, call, open);
}

/** Jobs as they arrive on stdin. */
async function runStream(setup: Setup, call: BatchCall, open: OpenExecutor): Promise<void> {
  const { jobs, folder } = setup;
  const items = shown(streamJobs(Deno.stdin.readable, jobs), setup, noteOf(call));
  const tidy = call.options.shared ? items : tidied(items, folder);
  await runShown(tidy, undefined, setup, call, open);
}

/** The page of the batch, with its jobs or, of a stream, those of earlier runs. */
async function openPage(
  source: string,
  { all, known, folder, jobs }: Setup,
  note: (line: string) => void,
): Promise<BatchPage | undefined> {
  const name = `index${shardMark(jobs.shard)}.html`;
  const page = await BatchPage.open(folder, name, source === "-" ? "stdin" : basename(source));
  if (!page) note(`"${join(folder, name)}" is not a page of far batch: it stays as it is`);
  for (const job of all ?? []) page?.expect(job);
  for (const record of all ? [] : known.values()) page?.add(record);
  return page;
}

/** Shows lines to the user, unless --quiet. */
function noteOf({ options, terminal }: BatchCall): (line: string) => void {
  return options.quiet ? () => {} : (line) => terminal.note(escaped(line));
}

/** Shows the warnings about all jobs, one line for each kind. */
function warnOf(jobs: readonly Job[], warnings: Warnings, note: (line: string) => void): void {
  for (const job of jobs) {
    for (const warning of job.warnings) warnings.add(job.where, warning);
  }
  for (const line of warnings.lines()) note(line);
}

/** Jobs of a stream; they go on the page, and warnings of a new kind are shown. */
async function* shown(
  items: AsyncGenerator<Item, void, void>,
  { warnings, page }: Setup,
  note: (line: string) => void,
): AsyncGenerator<Item, void, void> {
  for await (const item of items) {
    if ("job" in item) {
      page?.expect(item.job);
      const lines = item.job.warnings.map((one) => warnings.add(item.job.where, one));
      for (const line of lines) if (line) note(line);
    }
    yield item;
  }
}

/** How much there is to do, said before the first job is started. */
function beginning(all: number, rest: number): string {
  const jobs = count(all, "job");
  if (rest === 0) return `${jobs}, all ended in an earlier run`;
  const ended = rest < all ? `, ${all - rest} ended in an earlier run` : "";
  return `${jobs}${ended}: starting`;
}

async function setUp(source: string, { options, terminal }: BatchCall): Promise<Setup> {
  if (options.outDir === undefined) {
    throw new UsageError("Say where the outputs go: give --out-dir DIR");
  }
  const folder = resolve(options.outDir);
  const found = await Deno.stat(folder).catch(() => undefined);
  if (found && !found.isDirectory) {
    throw new UsageError(`Cannot use --out-dir "${options.outDir}": it is not a folder`);
  }
  const jobs = await jobsOptions(options);
  const all = source === "-" ? undefined : await readJobs(source, jobs);
  const own = join(folder, `results${shardMark(jobs.shard)}.jsonl`);
  const results = new ResultsFile(options.results ?? own);
  const known = await knownResults(folder, results.path);
  const batch = new BatchRun({
    folder,
    results,
    known,
    force: options.force,
    retryFailed: options.retryFailed,
    failFast: options.failFast,
    onFailure: ({ id, error }) => terminal.note(escaped(inFlags(`job "${id}" failed: ${error}`))),
    onEnd: ({ done, failed, failedBefore }) => setup.progress?.update(done + failed - failedBefore),
    onResult: (record) => setup.page?.add(record),
    onQueued: (job) => setup.page?.queued(job),
  });
  const warnings = new Warnings();
  const setup: Setup = { all, jobs, folder, results, batch, warnings, known };
  return setup;
}

async function makeOutDir(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw new Error(`Cannot make --out-dir "${folder}": ${(error as Error).message}`);
  }
}

/** In a shared folder workers may be writing, and they clean up themselves. */
async function removeUnfinished(
  jobs: Iterable<Job>,
  folder: string,
  { options }: BatchCall,
): Promise<void> {
  if (!options.shared) await removePartials(folder, [...jobs].flatMap(expectedFiles));
}

/** Jobs of a stream; leftovers of an earlier run are removed before each. */
async function* tidied(
  items: AsyncGenerator<Item, void, void>,
  folder: string,
): AsyncGenerator<Item, void, void> {
  const leftovers = new Leftovers(folder);
  for await (const item of items) {
    if ("job" in item) await leftovers.remove(expectedFiles(item.job));
    yield item;
  }
}

/** @param total number of jobs, if known */
async function runShown(
  items: AsyncGenerator<Item, void, void>,
  total: number | undefined,
  setup: Setup,
  call: BatchCall,
  open: OpenExecutor,
): Promise<void> {
  setup.progress = await startProgress({ unit: "jobs", total }, call.options, call.terminal);
  try {
    if (total !== 0) await runItems(items, setup, call, open);
  } finally {
    setup.progress.stop();
  }
}

/** Counts jobs that are already done. @returns the others */
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
  { batch, folder, warnings }: Setup,
  call: BatchCall,
  open: OpenExecutor,
): Promise<void> {
  const { signal } = call;
  const executor = await open(noteOf(call), warnings);
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
    await removeUnfinished(unfinished, folder, call);
    if (!(error instanceof InterruptedError)) throw error;
    const { done } = batch.tally;
    const outcome = `${done} ${
      done === 1 ? "job is" : "jobs are"
    } done, run the same command again for the rest`;
    throw new InterruptedError(error.signal, outcome);
  } finally {
    signal.removeEventListener("abort", interrupt);
  }
}

async function jobsOptions(options: BatchCall["options"]): Promise<JobsOptions> {
  const { model, dtype } = options;
  const fields: Fields = jsonOf({ model, dtype });
  const common = [{ fields, where: "the command line" }];
  if (options.defaults !== undefined) {
    common.push({ fields: await readDefaults(options.defaults), where: options.defaults });
  }
  const shard = options.shard === undefined ? undefined : parseShard(options.shard);
  return { common, shard, travels: options.redis !== undefined && !options.shared };
}

async function report(
  { tally, results, seconds }: BatchOutcome,
  { options, terminal }: BatchCall,
): Promise<void> {
  const { done, skipped, failed, failedBefore, queued } = tally;
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
