import { GpuError } from "../../mod.ts";
import { GpuProcess, type ProcessCommand } from "./gpu_process.ts";
import type { ChildFailure, ChildMessage, DeviceInfo, WireJob } from "./protocol.ts";
import type { MadeFile } from "../results.ts";
import { checkSettings } from "../../cli/settings_file.ts";
import { JobPool } from "./job_pool.ts";
import { videosOf } from "../plan/manifest.ts";
import { JOB_OPTIONS } from "../plan/options.ts";
import { outputFiles } from "../plan/output_names.ts";
import { removePartials } from "../partial_files.ts";
import { Watchdog } from "./watchdog.ts";

/** How a job ended. */
export type Outcome =
  | {
    readonly status: "done";
    readonly seconds: number;
    readonly batch: number;
    readonly outputs: readonly MadeFile[];
  }
  | {
    readonly status: "failed";
    readonly error: ChildFailure;
    /** The GPU process did not survive it. */
    readonly lost?: boolean;
  }
  /** It is on a queue, and nobody waits for it here. */
  | { readonly status: "queued" };

/** How jobs are run. */
export interface SupervisorOptions {
  readonly command: ProcessCommand;
  /** Videos that may run as one batch. */
  readonly gpuBatch: number | "auto";
  readonly backend?: "vulkan" | "metal" | "dx12" | "gl";
  /** Seconds of silence after which a GPU process is taken for hung. */
  readonly hangAfter: number;
  /** Milliseconds to wait for more jobs of the same shape before a batch is begun. */
  readonly gather?: number;
  /** A line for the user: warnings, restarts. */
  readonly note: (line: string) => void;
  /** Everything that the GPU process and its libraries say. */
  readonly said?: (line: string) => void;
}

/** Jobs that go to the GPU process in one message. */
const MOST_AT_ONCE = 16;
/**
 * Videos of an `auto` batch. A software adapter already uses every core for one video; a real GPU
 * is filled by a few, and more would only make each of them late.
 */
export const AUTO_VIDEOS = { cpu: 1, gpu: 8 };
/** Kernel calls in a submit after the first loss; each further one halves them. */
const FIRST_SUBMIT = 128;
/** A job that the GPU process did not survive so often has failed. */
const MOST_LOSSES = 3;
/** A GPU process that ends so often in a row before it takes a job will not do better. */
const MOST_FALSE_STARTS = 3;

/** What ended the process beside its own words. */
interface Loss {
  readonly why: string;
}

/**
 * Runs jobs in a GPU process and survives it: one that ends, hangs or loses its device is replaced,
 * and what it had in hand runs again, in batches of half the size and then alone.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #pool = new JobPool<Outcome>();
  #process: GpuProcess | undefined;
  #watchdog: Watchdog | undefined;
  #device = Promise.withResolvers<DeviceInfo>();
  #ready: DeviceInfo | undefined;
  #dispatchesPerSubmit: number | undefined;
  #loss: Loss | undefined;
  #fatal: Error | undefined;
  #closing = false;
  #falseStarts = 0;
  #restart: ReturnType<typeof setTimeout> | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  /** What processes that ended have left is being removed. */
  #cleaning: Promise<unknown> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#device.promise.catch(() => {});
  }

  /** Jobs that have not ended. */
  get pending(): number {
    return this.#pool.size;
  }

  /** Hashes of the jobs that are on the GPU now. */
  get running(): readonly string[] {
    return this.#pool.running.map(({ job }) => job.hash);
  }

  /** Process id of the GPU process, where one runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts a GPU process if none runs, and says what device it found. */
  start(): Promise<DeviceInfo> {
    this.#spawn();
    return this.#device.promise;
  }

  /**
   * Hands in a job.
   * @throws what makes every job impossible: no adapter, a model that does not load
   */
  async submit(job: WireJob): Promise<Outcome> {
    if (this.#fatal) throw this.#fatal;
    const outcome = this.#pool.add(job);
    this.#spawn();
    this.#feedSoon();
    return await outcome;
  }

  /** Gives back, with `reason`, the jobs that nothing was begun of. */
  withdraw(reason: Error): void {
    this.#pool.rejectWaiting(reason);
  }

  /** Ends the GPU process once nothing is running. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#stopTimers();
    this.#process?.close();
    await this.#process?.ended;
    await this.#cleaning;
  }

  /** Ends the GPU process at once; jobs that have not ended are rejected with `reason`. */
  async kill(reason: Error): Promise<void> {
    this.#giveUp(reason);
    await this.#process?.ended;
    await this.#cleaning;
  }

  #stopTimers(): void {
    clearTimeout(this.#restart);
    clearTimeout(this.#gathering);
    this.#watchdog?.stop();
  }

  #giveUp(reason: Error): void {
    this.#closing = true;
    this.#fatal ??= reason;
    this.#stopTimers();
    this.#process?.kill();
    this.#device.reject(reason);
    this.#pool.rejectAll(reason);
  }

  #spawn(): void {
    if (this.#process || this.#closing || this.#restart !== undefined) return;
    const { command, backend, hangAfter } = this.#options;
    this.#ready = undefined;
    this.#loss = undefined;
    this.#watchdog = new Watchdog(hangAfter, (seconds) => {
      this.#loss ??= { why: `the GPU process was silent for ${Math.round(seconds)} s` };
      this.#process?.kill();
    });
    this.#watchdog.start();
    const settings = { backend, dispatchesPerSubmit: this.#dispatchesPerSubmit };
    this.#process = new GpuProcess(command, settings, {
      message: (message) => this.#hear(message),
      ended: (why) => this.#ended(why),
      said: (line) => this.#options.said?.(line),
    });
  }

  /** Videos of a batch. */
  #wanted({ cpu }: DeviceInfo): number {
    const { gpuBatch } = this.#options;
    return gpuBatch === "auto" ? AUTO_VIDEOS[cpu ? "cpu" : "gpu"] : gpuBatch;
  }

  /** Jobs that come one by one are waited for, as long as they would make a batch larger. */
  #feedSoon(): void {
    const { gather } = this.#options;
    const few = this.#ready && this.#pool.waiting < this.#wanted(this.#ready);
    if (!gather || !few) return this.#feed();
    clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => this.#feed(), gather);
  }

  #feed(): void {
    if (!this.#ready || this.#closing || this.#pool.busy) return;
    const { jobs, videos } = this.#pool.take(MOST_AT_ONCE, this.#wanted(this.#ready));
    if (jobs.length === 0) return this.#watchdog!.stop();
    this.#watchdog!.start();
    this.#process!.run({ type: "run", jobs, videos });
  }

  #hear(message: ChildMessage): void {
    this.#watchdog?.beat(message.type === "progress" && message.generated);
    switch (message.type) {
      case "ready":
        this.#ready = message.device;
        this.#device.resolve(message.device);
        return this.#feed();
      case "start":
        this.#falseStarts = 0;
        this.#watchdog?.start();
        return this.#pool.suspect(message.hashes);
      case "done": {
        const { seconds, batch, outputs } = message;
        return this.#pool.end(message.hash, { status: "done", seconds, batch, outputs });
      }
      case "failed":
        return this.#pool.end(message.hash, { status: "failed", error: message.error });
      case "idle":
        this.#pool.idle();
        this.#watchdog!.stop();
        return this.#feedSoon();
      case "note":
        return this.#options.note(message.text);
      case "fatal":
        return this.#giveUp(errorOf(message.error));
      case "lost":
        this.#loss = { why: message.message };
    }
  }

  #ended(why: string): void {
    this.#process = undefined;
    this.#ready = undefined;
    this.#watchdog?.stop();
    if (this.#closing) {
      return this.#pool.rejectAll(this.#fatal ?? new Error("The GPU process was closed"));
    }
    const reason = this.#loss?.why ?? why;
    this.#cleaning = Promise.all(this.#pool.running.map(({ job }) => cleanUpAfter(job)));
    const lost = this.#pool.lose(MOST_LOSSES);
    for (const { job } of lost.failed) this.#failLost(job, reason);
    if (lost.blamed === 0 && ++this.#falseStarts >= MOST_FALSE_STARTS) {
      return this.#giveUp(new GpuError("lost", `Cannot run on this GPU: ${reason}`));
    }
    this.#dispatchesPerSubmit = this.#dispatchesPerSubmit === undefined
      ? FIRST_SUBMIT
      : Math.max(1, Math.floor(this.#dispatchesPerSubmit / 2));
    this.#options.note(`${reason}; starting another`);
    const pause = 200 * 2 ** Math.min(this.#falseStarts, 5);
    this.#restart = setTimeout(async () => {
      await this.#cleaning;
      this.#restart = undefined;
      if (this.#pool.size > 0) this.#spawn();
    }, pause);
  }

  #failLost(job: WireJob, reason: string): void {
    const message = `The GPU process died ${MOST_LOSSES} times on this job: ${reason}`;
    const error = { message, temporary: true };
    this.#pool.end(job.hash, { status: "failed", error, lost: true });
  }
}

/** Removes what a process that ended has left of a job. */
async function cleanUpAfter(job: WireJob): Promise<void> {
  const { values } = checkSettings(JOB_OPTIONS, job.options, job.where);
  await removePartials(job.folder, outputFiles(job.outputs, videosOf(values))).catch(() => {
    // the next run tries again
  });
}

/** An error of the GPU process, with what decides the exit status. */
function errorOf({ message, temporary, stack }: ChildFailure): Error {
  const error = temporary ? new GpuError("lost", message) : new Error(message);
  if (stack) error.stack = stack;
  return error;
}
