import { hostname } from "node:os";
import { dirname } from "node:path";
import {
  DelayedError,
  type Job as QueuedJob,
  UnrecoverableError,
  WaitingError,
  Worker,
} from "bullmq";
import { isPattern } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import { inFlags } from "../../cli/flags.ts";
import { isFolder } from "../../cli/folder.ts";
import { checkSettings } from "../../cli/settings_file.ts";
import { findDone } from "../existing.ts";
import { videosOf } from "../plan/manifest.ts";
import { isInside } from "../inside.ts";
import { JOB_OPTIONS } from "../plan/options.ts";
import { outputFiles } from "../plan/output_names.ts";
import { removePartials } from "../partial_files.ts";
import { filesOf, nameOfQueueJob, parseQueueJob } from "./queue_border.ts";
import type { QueueFailure, QueueJob, QueueResult } from "./queue_job.ts";
import { inTime, type QueueLink, queueName } from "./queue_link.ts";
import type { JobFailure } from "../results.ts";
import type { Outcome, WireJob } from "../gpu/protocol.ts";
import type { Supervisor } from "../gpu/supervisor.ts";
import type { WorkerFiles } from "./worker_files.ts";

/** Attempts at a job, whatever it asks for: `far batch` asks for fewer. */
const MOST_ATTEMPTS = 10;
/** How often a job may lose its worker before it is listed by `far batch failed`. */
const MOST_STALLS = 5;
/** Seconds for saying goodbye to the server. */
const GOODBYE_SECONDS = 5;

/** How long a job is left to others if this worker cannot access its folder. */
const ELSEWHERE_MS = 15_000;

/** A job is given back to the queue, without counting an attempt. */
export class GivenBackError extends Error {
  override readonly name = "GivenBackError";
}

/** Settings of a worker. */
export interface QueueWorkerOptions {
  readonly link: QueueLink;
  readonly supervisor: Supervisor;
  readonly files: WorkerFiles;
  /** Jobs at once. */
  readonly concurrency: number;
  /** Seconds until a silent worker loses its job. */
  readonly lock: number;
  /** Folder of shared batches on this machine; without it, no shared job runs. */
  readonly outDir?: string;
  /** Further folders that shared jobs may read from. */
  readonly inDirs?: readonly string[];
  readonly note: (line: string) => void;
  /** Called when nothing more can be run or written here. */
  readonly onFatal: (error: Error) => void;
}

/** Runs jobs of the models it serves, and answers each with its outputs. */
export class QueueWorker {
  readonly #workers = new Map<string, Worker>();
  #active = 0;
  #ending = false;
  /** A job may be delivered again while it runs, if the server considered this worker dead. */
  readonly #runs = new Map<string, Promise<QueueResult>>();
  /** The last run of each hash. */
  readonly #submitted = new Map<string, Promise<void>>();
  /** Missing folders of shared batches that were reported. */
  readonly #missing = new Set<string>();
  /** Time when a job last started or ended. */
  lastActive = performance.now();

  constructor(private readonly options: QueueWorkerOptions) {}

  /** Jobs in progress. */
  get active(): number {
    return this.#active;
  }

  /** Starts taking jobs of a model that is in a folder here. */
  serve(identity: string, folder: string): void {
    if (this.#workers.has(identity)) return;
    const { link, concurrency, lock } = this.options;
    const process = (job: QueuedJob, token?: string) => this.#process(job, token!, folder);
    const worker = new Worker(queueName(identity), process, {
      connection: link.connect(),
      prefix: link.prefix,
      skipVersionCheck: true, // it would call INFO, which not every user may do
      name: hostname(),
      concurrency,
      lockDuration: lock * 1000,
      stalledInterval: Math.min(30, lock / 2) * 1000,
      maxStalledCount: MOST_STALLS,
    });
    worker.on("error", link.onError);
    this.#workers.set(identity, worker);
  }

  async #process(job: QueuedJob, token: string, folder: string): Promise<QueueResult> {
    this.lastActive = performance.now();
    this.#active++;
    try {
      // one more that was already requested may arrive
      if (this.#ending) throw new GivenBackError("the worker is stopping");
      const known = this.#runs.get(job.id!) ?? this.#run(job.data, folder);
      this.#runs.set(job.id!, known);
      return await known;
    } catch (error) {
      if (error instanceof GivenBackError) {
        await job.moveToWait(token); // another worker can take it at once
        throw new WaitingError();
      }
      if (error instanceof ElsewhereError) {
        await job.moveToDelayed(Date.now() + ELSEWHERE_MS, token);
        throw new DelayedError();
      }
      throw await this.#failure(job, error);
    } finally {
      this.#runs.delete(job.id!);
      this.#active--;
      this.lastActive = performance.now();
    }
  }

  /** Turns a failure into the error that decides about further attempts. */
  async #failure(job: QueuedJob, error: unknown): Promise<Error> {
    const message = error instanceof Error ? error.message : String(error);
    const final = error instanceof FinalError || error instanceof UsageError;
    const isLast = job.attemptsMade + 1 >= MOST_ATTEMPTS;
    const temporary = error instanceof FinalError ? error.temporary : !final;
    const failure: JobFailure = { message, temporary };
    await job.updateProgress({ failure } satisfies QueueFailure).catch(() => {});
    this.options.note(`job "${nameOfQueueJob(job.data).id}" failed: ${inFlags(message)}`);
    return final || isLast ? new UnrecoverableError(message) : new Error(message);
  }

  async #run(untrusted: unknown, model: string): Promise<QueueResult> {
    const { files, link } = this.options;
    const data = parseQueueJob(untrusted);
    const shared = data.shared === undefined ? undefined : await this.#sharedFolder(data);
    const there = shared === undefined ? undefined : await this.#alreadyThere(data, shared);
    if (there) return there;
    const own = shared === undefined ? await files.makeOutputFolder(data.hash) : undefined;
    const folder = shared ?? own!;
    try {
      const options = await files.fetchInputs(data, link);
      const { hash, where, outputs } = data;
      const outcome = await this.#submit({ hash, where, options, model, folder, outputs });
      if (outcome.status === "queued") throw new Error("A job cannot be queued by a worker");
      if (outcome.status === "failed") {
        const message = files.inSendersWords(outcome.error.message, data);
        return this.#refuse({ ...outcome.error, message }, outcome.lost);
      }
      if (own) await files.sendOutputs(own, hash, outcome.outputs, link);
      const { seconds, batch } = outcome;
      this.options.note(`job "${data.id}" done in ${seconds} s`);
      return {
        seconds,
        batch,
        outputs: outcome.outputs,
        sent: own !== undefined,
        worker: hostname(),
      };
    } finally {
      if (own) await files.clear(own);
    }
  }

  /**
   * Folder for a shared job's outputs: the one this worker was started with, never one that the
   * queue names. If it is missing, another worker may have it, so the attempt is not counted.
   * @throws {UsageError} the job reads a file outside the allowed folders
   */
  async #sharedFolder({ shared, options }: QueueJob): Promise<string> {
    const { outDir, inDirs = [], note } = this.options;
    if (outDir === undefined || !await isFolder(outDir)) {
      if (!this.#missing.has(shared!)) {
        note(
          outDir === undefined
            ? `jobs for the shared folder "${shared}" are left to other workers; to serve them, ` +
              "give this folder with --out-dir"
            : `there is no folder "${outDir}": its jobs are left to other workers; mount it`,
        );
      }
      this.#missing.add(shared!);
      throw new ElsewhereError();
    }
    for (const [option, path] of filesOf(options)) {
      await checkInside(option, path, [outDir, ...inDirs]);
    }
    return outDir;
  }

  /**
   * If no job can run, that is this worker's problem, not the job's. The same job for two folders
   * has one hash, which identifies it in answers, so one waits for the other.
   */
  async #submit(job: WireJob): Promise<Outcome> {
    const { supervisor, onFatal } = this.options;
    const before = this.#submitted.get(job.hash) ?? Promise.resolve();
    const outcome = before.then(() => supervisor.submit(job));
    const ended = outcome.then(() => {}, () => {});
    this.#submitted.set(job.hash, ended);
    try {
      return await outcome;
    } catch (error) {
      if (error instanceof GivenBackError) throw error;
      onFatal(error as Error);
      throw new GivenBackError((error as Error).message);
    } finally {
      if (this.#submitted.get(job.hash) === ended) this.#submitted.delete(job.hash);
    }
  }

  /**
   * Outputs of an earlier delivery of the job, if complete; leftovers of a killed one are removed.
   */
  async #alreadyThere(
    { hash, outputs, options, where }: QueueJob,
    folder: string,
  ): Promise<QueueResult | undefined> {
    const { values } = checkSettings(JOB_OPTIONS, options, where);
    const files = outputFiles(outputs, videosOf(values));
    const found = await findDone(hash, folder, files, undefined);
    if (found) {
      return { seconds: 0, batch: 0, outputs: found.outputs, sent: false, worker: hostname() };
    }
    await removePartials(folder, files);
  }

  #refuse(error: JobFailure & { readonly storage?: boolean }, lost = false): never {
    if (error.storage) {
      const reason = new Error(error.message);
      this.options.onFatal(reason);
      throw new GivenBackError(error.message);
    }
    if (lost || !error.temporary) throw new FinalError(error.message, error.temporary);
    throw new Error(error.message);
  }

  /** Takes no further jobs. */
  async pause(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#workers.values()].map((worker) => worker.pause(true)));
  }

  /** Disconnects from the queue. @param seconds most that a silent server may take for it */
  async close(seconds = GOODBYE_SECONDS): Promise<void> {
    const closing = [...this.#workers.values()].map((worker) => worker.close());
    await inTime(Promise.allSettled(closing), Math.min(seconds, GOODBYE_SECONDS)).catch(() => {});
  }
}

/** A job may read only the folders that its worker was told to share, after following links. */
async function checkInside(
  option: string,
  path: string,
  folders: readonly string[],
): Promise<void> {
  // for a %d pattern, the folder stands for the pictures
  if (await isInside(isPattern(path) ? dirname(path) : path, folders)) return;
  throw new UsageError(
    `Cannot use "${option}" of a job: "${path}" is not in a folder that this worker shares; ` +
      "name its folder with --in-dir",
  );
}

/** Only another worker can run the job. */
class ElsewhereError extends Error {
  override readonly name = "ElsewhereError";
}

/** A failure that further attempts would repeat. */
class FinalError extends Error {
  constructor(message: string, readonly temporary: boolean) {
    super(message);
  }
}
