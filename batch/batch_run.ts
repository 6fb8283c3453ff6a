import { isFolder } from "../cli/folder.ts";
import { isDiskFull, isFolderGone } from "./gpu/child_failure.ts";
import { findDone } from "./existing.ts";
import type { Job } from "./plan/job.ts";
import { outputFiles } from "./plan/output_names.ts";
import { videosOf } from "./plan/manifest.ts";
import type { ResultRecord, ResultsFile } from "./results.ts";
import type { Outcome } from "./gpu/protocol.ts";

/** Runs jobs: this machine's GPU process, or the workers of a queue. */
export interface Executor {
  /** Most jobs in progress at once. */
  readonly window: number;
  /** @throws if no job can run at all */
  submit(job: Job): Promise<Outcome>;
}

/** An executor that can be closed. */
export interface BatchExecutor extends Executor {
  /** Called when all jobs have ended. */
  close(): Promise<void>;
  /** Gives up all unfinished jobs; `reason` says why. */
  kill(reason: Error): Promise<void>;
}

/** Why a batch stopped before its end. */
export class BatchStoppedError extends Error {
  override readonly name = "BatchStoppedError";
}

/** What to do with a job. */
export type Decision =
  | { readonly kind: "run" }
  | { readonly kind: "done"; readonly record: ResultRecord; readonly recorded: boolean }
  | { readonly kind: "failed"; readonly record: ResultRecord };

/** Number of jobs by result. */
export interface Tally {
  done: number;
  /** Already done before. */
  skipped: number;
  failed: number;
  /** Failures that a retry may fix. */
  temporary: number;
  /** Failures of an earlier run that were not retried. */
  failedBefore: number;
  /** Left on a queue. */
  queued: number;
}

/** How a batch treats existing results and failures. */
export interface BatchRunOptions {
  readonly folder: string;
  readonly results: ResultsFile;
  /** Records of earlier runs, by hash. */
  readonly known: ReadonlyMap<string, ResultRecord>;
  readonly force?: boolean;
  readonly retryFailed?: boolean;
  readonly failFast?: boolean;
  readonly onFailure?: (record: ResultRecord) => void;
  readonly onEnd?: (tally: Tally) => void;
  /** How a job ended, in this run or an earlier one. */
  readonly onResult?: (record: ResultRecord) => void;
  readonly onQueued?: (job: Job) => void;
}

/** Every file a job is expected to make. */
export function expectedFiles({ entry }: Job): string[] {
  return outputFiles(entry.outputs, videosOf(entry.values));
}

/** Decides which jobs to run and records their results. */
export class BatchRun {
  readonly tally: Tally = {
    done: 0,
    skipped: 0,
    failed: 0,
    temporary: 0,
    failedBefore: 0,
    queued: 0,
  };
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly options: BatchRunOptions) {}

  /** Decides whether a job is done, has failed permanently, or must run. */
  async decide(job: Job): Promise<Decision> {
    const { folder, known, force, retryFailed } = this.options;
    if (force) return { kind: "run" };
    const record = known.get(job.hash);
    const found = await findDone(job.hash, folder, expectedFiles(job), record);
    if (found?.recorded) return { kind: "done", record: record!, recorded: true };
    if (found) {
      const made = recordOf(job, { status: "done", outputs: found.outputs });
      return { kind: "done", record: { ...made, found: true }, recorded: false };
    }
    const hopeless = record?.status === "failed" && !record.temporary && !retryFailed;
    return hopeless ? { kind: "failed", record } : { kind: "run" };
  }

  /** Counts a job that does not need to run. */
  async settle(decision: Exclude<Decision, { kind: "run" }>): Promise<void> {
    this.options.onResult?.(decision.record);
    if (decision.kind === "failed") {
      this.tally.failed++;
      this.tally.failedBefore++;
      return;
    }
    this.tally.skipped++;
    if (!decision.recorded) await this.#write(decision.record);
  }

  /** Records a line of a stream that is not a valid job. */
  async reject(line: number, problem: string): Promise<void> {
    const at = new Date().toISOString();
    await this.#failed({
      id: String(line),
      line,
      hash: "",
      status: "failed",
      outputs: [],
      error: problem,
      at,
    });
  }

  /**
   * Runs a job and records how it ended.
   * @throws {BatchStoppedError} nothing more can be written, or --fail-fast
   * @throws if no job can run at all
   */
  async run(job: Job, executor: Executor): Promise<void> {
    const outcome = await executor.submit(job);
    if (outcome.status === "queued") {
      this.tally.queued++;
      return this.options.onQueued?.(job);
    }
    if (outcome.status === "failed") {
      const { error } = outcome;
      await this.#checkStorage(error);
      const record = recordOf(job, { status: "failed", outputs: [] });
      return await this.#failed({ ...record, error: error.message, temporary: error.temporary });
    }
    const record = recordOf(job, outcome);
    await this.#write(record);
    this.tally.done++;
    this.options.onResult?.(record);
    this.options.onEnd?.(this.tally);
  }

  async #failed(record: ResultRecord): Promise<void> {
    const { failFast, onFailure, onResult, onEnd } = this.options;
    await this.#write(record);
    this.tally.failed++;
    if (record.temporary) this.tally.temporary++;
    onFailure?.(record);
    onResult?.(record);
    onEnd?.(this.tally);
    if (failFast) throw new BatchStoppedError(`Stopped at the first failure, job "${record.id}"`);
  }

  /** A failure that would hit every other job too is not recorded for this one. */
  async #checkStorage(error: { readonly message: string }): Promise<void> {
    const { folder } = this.options;
    if (isDiskFull(error.message)) throw storageError(error.message, folder);
    if (!isFolderGone(error.message)) return;
    if (!await isFolder(folder)) throw storageError("it was removed", folder);
  }

  /** Writes records one after the other, so that lines do not mix. */
  async #write(record: ResultRecord): Promise<void> {
    const { results, folder } = this.options;
    this.#writing = this.#writing.then(() => results.add(record)).catch((error) => {
      throw storageError((error as Error).message, folder);
    });
    await this.#writing;
  }
}

function storageError(why: string, folder: string): BatchStoppedError {
  return new BatchStoppedError(
    `Cannot write to "${folder}" any more: ${why}. Finished jobs are kept: repair it and run ` +
      "the same command again",
  );
}

function recordOf(
  { entry, hash }: Job,
  outcome: Pick<ResultRecord, "status" | "outputs"> & { seconds?: number; batch?: number },
): ResultRecord {
  const { status, seconds, batch, outputs } = outcome;
  const { id, line } = entry;
  return { id, line, hash, status, seconds, batch, outputs, at: new Date().toISOString() };
}
