import { isFolder } from "../cli/folder.ts";
import { isDiskFull, isFolderGone } from "./gpu/child_failure.ts";
import { findDone } from "./existing.ts";
import type { Job } from "./plan/job.ts";
import { outputFiles } from "./plan/output_names.ts";
import { videosOf } from "./plan/manifest.ts";
import type { ResultRecord, ResultsFile } from "./results.ts";
import type { Outcome } from "./gpu/protocol.ts";

/** Runs jobs: the GPU process of this machine, or those behind a queue. */
export interface Executor {
  /** Jobs that may be on their way at once. */
  readonly window: number;
  /** @throws what makes every job impossible */
  submit(job: Job): Promise<Outcome>;
}

/** An executor with an end. */
export interface BatchExecutor extends Executor {
  /** All jobs have ended. */
  close(): Promise<void>;
  /** Jobs that have not ended are given up; `reason` says why. */
  kill(reason: Error): Promise<void>;
}

/** Why a batch stopped before its end. */
export class BatchStoppedError extends Error {
  override readonly name = "BatchStoppedError";
}

/** What a batch does with a job. */
export type Decision =
  | { readonly kind: "run" }
  | { readonly kind: "done"; readonly record: ResultRecord; readonly recorded: boolean }
  | { readonly kind: "failed"; readonly record: ResultRecord };

/** Jobs of a batch by what became of them. */
export interface Tally {
  done: number;
  /** Were there already. */
  skipped: number;
  failed: number;
  /** Of them: a further run may cure them. */
  temporary: number;
  /** Of them: failed in an earlier run, and were left alone. */
  failedBefore: number;
  /** Left on a queue. */
  queued: number;
}

/** How a batch treats what is there and what fails. */
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
}

/** Every file a job is expected to make. */
export function expectedFiles({ entry }: Job): string[] {
  return outputFiles(entry.outputs, videosOf(entry.values));
}

/** Decides what is to be done and keeps the record of it. */
export class BatchRun {
  readonly #options: BatchRunOptions;
  readonly tally: Tally = {
    done: 0,
    skipped: 0,
    failed: 0,
    temporary: 0,
    failedBefore: 0,
    queued: 0,
  };
  #writing: Promise<void> = Promise.resolve();

  constructor(options: BatchRunOptions) {
    this.#options = options;
  }

  /** Whether a job is done, has failed for good, or must run. */
  async decide(job: Job): Promise<Decision> {
    const { folder, known, force, retryFailed } = this.#options;
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

  /** Enters what needs no running. */
  async settle(decision: Exclude<Decision, { kind: "run" }>): Promise<void> {
    if (decision.kind === "failed") {
      this.tally.failed++;
      this.tally.failedBefore++;
      return;
    }
    this.tally.skipped++;
    if (!decision.recorded) await this.#write(decision.record);
  }

  /** A line of a stream that is no job. */
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
   * @throws what makes every job impossible
   */
  async run(job: Job, executor: Executor): Promise<void> {
    const outcome = await executor.submit(job);
    if (outcome.status === "queued") {
      this.tally.queued++;
      return;
    }
    if (outcome.status === "failed") {
      const { error } = outcome;
      await this.#checkStorage(error);
      const record = recordOf(job, { status: "failed", outputs: [] });
      return await this.#failed({ ...record, error: error.message, temporary: error.temporary });
    }
    await this.#write(recordOf(job, outcome));
    this.tally.done++;
    this.#options.onEnd?.(this.tally);
  }

  async #failed(record: ResultRecord): Promise<void> {
    const { failFast, onFailure, onEnd } = this.#options;
    await this.#write(record);
    this.tally.failed++;
    if (record.temporary) this.tally.temporary++;
    onFailure?.(record);
    onEnd?.(this.tally);
    if (failFast) throw new BatchStoppedError(`Stopped at the first failure, job "${record.id}"`);
  }

  /** What would befall every other job too is not held against this one. */
  async #checkStorage(error: { readonly message: string }): Promise<void> {
    const { folder } = this.#options;
    if (isDiskFull(error.message)) throw storageError(error.message, folder);
    if (!isFolderGone(error.message)) return;
    if (!await isFolder(folder)) throw storageError("it was removed", folder);
  }

  /** One after the other, so that lines do not mix. */
  async #write(record: ResultRecord): Promise<void> {
    const { results, folder } = this.#options;
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
