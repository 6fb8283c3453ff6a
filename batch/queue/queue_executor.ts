import { sha256 } from "../../app.ts";
import { type Job as QueuedJob, QueueEvents } from "bullmq";
import { MediaError } from "../../mod.ts";
import { UsageError } from "../../cli/errors.ts";
import type { BatchExecutor } from "../batch_run.ts";
import { failureOf } from "../gpu/child_failure.ts";
import type { Outcome } from "../gpu/protocol.ts";
import type { Job } from "../plan/job.ts";
import { videosOf } from "../plan/manifest.ts";
import { Collector } from "./collector.ts";
import { JobPacker } from "./job_packer.ts";
import { filesFor, parseQueueFailure, parseQueueResult } from "./queue_border.ts";
import type { QueueResult } from "./queue_job.ts";
import { inTime, KEEP_SECONDS, type QueueLink, queueName, refusedByServer } from "./queue_link.ts";

/** Attempts before a job is listed by `far batch failed`. */
const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 1000;
/** Events may be lost while the server is away, so jobs are polled this often. */
const SWEEP_MS = 15_000;
const SWEEP_AT_ONCE = 100;

/** Settings of a batch on a queue. */
export interface QueueExecutorOptions {
  readonly folder: string;
  readonly shared?: boolean;
  /** Whether finished jobs run again. */
  readonly again?: boolean;
  readonly detach?: boolean;
  readonly note: (line: string) => void;
}

/** A job that the batch waits for. */
interface Waiting {
  readonly job: Job;
  readonly result: PromiseWithResolvers<Outcome>;
  settling?: boolean;
  /** Whether it was requested again in the meantime. */
  again?: boolean;
}

/** Runs jobs on whatever machines serve the queue. */
export class QueueExecutor implements BatchExecutor {
  /** Many, since all machines together take them. */
  readonly window = 10_000;
  readonly #packer: JobPacker;
  readonly #collector: Collector;
  readonly #waiting = new Map<string, Waiting>();
  readonly #events = new Map<string, QueueEvents>();
  #sweeper: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(private readonly link: QueueLink, private readonly options: QueueExecutorOptions) {
    this.#packer = new JobPacker(link, options.shared ? options.folder : undefined);
    this.#collector = new Collector(link, options.folder, options.shared === true);
    link.onRefused((error) => {
      for (const { result } of this.#waiting.values()) result.reject(error);
    });
    this.#sweepLater();
  }

  async submit(job: Job): Promise<Outcome> {
    try {
      await this.#listen(job.model.identity);
    } catch (error) {
      throw refusedByServer(error);
    }
    const result = Promise.withResolvers<Outcome>();
    result.promise.catch(() => {}); // it may be rejected before anything awaits it
    const { detach } = this.options;
    const id = this.#idOf(job);
    if (!detach) this.#waiting.set(id, { job, result });
    try {
      await this.#enqueue(job);
    } catch (error) {
      this.#waiting.delete(id);
      if (error instanceof UsageError) return { status: "failed", error: failureOf(error) };
      throw refusedByServer(error);
    }
    if (detach) return { status: "queued" };
    await this.#settle(id);
    return await result.promise;
  }

  /** With a shared folder, the same job for another folder is another job. */
  #idOf({ hash }: Job): string {
    const { shared, folder } = this.options;
    return shared ? `${hash}-${sha256(folder).slice(0, 12)}` : hash;
  }

  /** Listens for finished jobs of a model. */
  async #listen(identity: string): Promise<void> {
    if (this.options.detach || this.#events.has(identity)) return;
    const events = new QueueEvents(queueName(identity), {
      connection: this.link.connect(),
      prefix: this.link.prefix,
      skipVersionCheck: true,
    });
    events.on("error", this.link.onError);
    events.on("completed", ({ jobId }) => void this.#settle(jobId));
    events.on("failed", ({ jobId }) => void this.#settle(jobId));
    this.#events.set(identity, events);
    await events.waitUntilReady();
  }

  async #enqueue(job: Job): Promise<void> {
    const { identity, name } = job.model;
    await this.link.register(identity, name); // each time, since the server may have lost it
    const queue = this.link.queue(identity);
    const id = this.#idOf(job);
    const before = await queue.getJob(id);
    if (before) {
      const state = await before.getState();
      const ended = state === "completed" || state === "failed";
      if (!ended || !this.#isStale(before)) return;
      await before.remove();
    }
    await queue.add("generate", await this.#packer.pack(job), {
      jobId: id,
      attempts: ATTEMPTS,
      backoff: { type: "exponential", delay: FIRST_PAUSE_MS },
      removeOnComplete: { age: KEEP_SECONDS },
    });
  }

  /** Whether a finished job is stale: its outputs were collected, or another run is wanted. */
  #isStale(job: QueuedJob): boolean {
    if (this.options.again) return true;
    if (job.failedReason) return parseQueueFailure(job.progress, job.failedReason).temporary;
    // an answer without sent files is in the folder, which was already checked
    return (job.returnvalue as Partial<QueueResult> | null)?.sent !== true;
  }

  /** Settles a job if it has ended. */
  async #settle(id: string): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    waiting.again = true;
    if (waiting.settling) return;
    waiting.settling = true;
    try {
      while (waiting.again) {
        waiting.again = false;
        const outcome = await this.#outcome(waiting.job);
        if (!outcome) continue;
        this.#waiting.delete(id);
        return waiting.result.resolve(outcome);
      }
    } catch (error) {
      if (error instanceof MediaError) {
        this.#waiting.delete(id);
        waiting.result.resolve({ status: "failed", error: failureOf(error) });
      } else waiting.result.reject(refusedByServer(error));
    } finally {
      waiting.settling = false;
    }
  }

  /** Outcome of a job, if it has ended. Results that the server has lost are made again. */
  async #outcome(wanted: Job): Promise<Outcome | undefined> {
    const job = await this.link.queue(wanted.model.identity).getJob(this.#idOf(wanted));
    if (!job) return void await this.#enqueue(wanted);
    const state = await job.getState();
    if (state === "failed") {
      return { status: "failed", error: parseQueueFailure(job.progress, job.failedReason) };
    }
    if (state !== "completed") return undefined;
    let result: QueueResult;
    let whole: boolean;
    try {
      result = parseQueueResult(job.returnvalue, this.#expected(wanted, job.returnvalue));
      whole = await this.#collector.collect(wanted.hash, result);
    } catch (error) {
      if (!(error instanceof UsageError || error instanceof MediaError)) throw error;
      await job.remove(); // it does not answer this job: another run makes it again
      return { status: "failed", error: { message: error.message, temporary: true } };
    }
    await job.remove();
    if (!whole) return void await this.#enqueue(wanted);
    const { seconds, batch, outputs } = result;
    return { status: "done", seconds, batch, outputs };
  }

  #expected({ entry: { outputs, values } }: Job, answer: unknown): string[] {
    const { count, label, context } = values;
    const open = count === undefined && label === undefined && context !== undefined;
    return filesFor(outputs, open ? undefined : videosOf(values), answer);
  }

  #sweepLater(): void {
    if (this.#closed) return;
    this.#sweeper = setTimeout(() => void this.#sweep(), SWEEP_MS);
  }

  async #sweep(): Promise<void> {
    const ids = [...this.#waiting.keys()];
    while (ids.length > 0 && !this.#closed) {
      await Promise.all(ids.splice(0, SWEEP_AT_ONCE).map((id) => this.#settle(id)));
    }
    this.#sweepLater();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#sweeper);
    const closing = [...this.#events.values()].map((events) => events.close().catch(() => {}));
    await inTime(Promise.all(closing), 2).catch(() => {});
    await this.link.close();
  }

  async kill(reason: Error): Promise<void> {
    if (this.#closed) return;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { result } of waiting) result.reject(reason);
    if (waiting.length > 0) {
      const jobs = waiting.length === 1 ? "1 job stays" : `${waiting.length} jobs stay`;
      this.options.note(`${jobs} on the queue: run the same command again to collect the results`);
    }
    await this.close();
  }
}
