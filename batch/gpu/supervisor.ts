import { GpuError } from "../../mod.ts";
import { GpuProcess, type ProcessCommand } from "./gpu_process.ts";
import type { ChildFailure, ChildMessage, DeviceInfo, Outcome, WireJob } from "./protocol.ts";
import { checkSettings } from "../../cli/settings_file.ts";
import { JobPool } from "./job_pool.ts";
import { videosOf } from "../plan/manifest.ts";
import { JOB_OPTIONS } from "../plan/options.ts";
import { outputFiles } from "../plan/output_names.ts";
import { removePartials } from "../partial_files.ts";
import type { RunWarning } from "../../request/model_warnings.ts";
import { Warnings } from "../warnings.ts";
import { Watchdog } from "./watchdog.ts";

/** Settings for running jobs. */
export interface SupervisorOptions {
  readonly command: ProcessCommand;
  /** Most videos per batch. */
  readonly gpuBatch: number | "auto";
  readonly backend?: "vulkan" | "metal" | "dx12" | "gl";
  /** Seconds of silence after which a GPU process counts as hung. */
  readonly hangAfter: number;
  /** Milliseconds to wait for more jobs of the same shape before starting a batch. */
  readonly gather?: number;
  /** Receives lines for the user: warnings, restarts. */
  readonly note: (line: string) => void;
  /** Warnings that the user has already seen (none). */
  readonly warnings?: Warnings;
  /** Receives all other output of the GPU process and its libraries. */
  readonly said?: (line: string) => void;
}

/**
 * Videos of an `auto` batch. A software adapter already uses every core for one video; a few fill a
 * real GPU, and more would only delay each of them.
 */
export const AUTO_VIDEOS = { cpu: 1, gpu: 8 };
/** Kernel calls per submit after the first loss; each further loss halves them. */
const FIRST_SUBMIT = 128;
/** Most deaths of the GPU process in a row before it takes a job. */
const MOST_FALSE_STARTS = 3;

/** A GPU process. */
interface Running {
  readonly process: GpuProcess;
  readonly watchdog: Watchdog;
  /** Why the supervisor killed it, or the reason the process gave for ending. */
  loss?: string;
}

type Timer = ReturnType<typeof setTimeout>;

/** State of the GPU process. */
type State =
  /** There is none, since none was needed yet. */
  | { readonly at: "rest" }
  /** It is opening its device. */
  | { readonly at: "starting"; readonly running: Running }
  /** It takes jobs; `gathering` while waiting for more of them. */
  | {
    readonly at: "ready";
    readonly running: Running;
    readonly device: DeviceInfo;
    gathering?: Timer;
  }
  /** It has done its work, and ends to be replaced. */
  | { readonly at: "retiring"; readonly running: Running }
  /** The last one has ended, and the next starts after a pause. */
  | { readonly at: "restarting"; readonly timer: Timer }
  /** No other process follows; `reason` if jobs were given up. */
  | { readonly at: "closing"; readonly running?: Running; readonly reason?: Error };

/**
 * Runs jobs in a GPU process and survives it: a process that dies, hangs or loses its device is
 * replaced, and its jobs run again, in batches of half the size and then alone.
 */
export class Supervisor {
  readonly #pool = new JobPool();
  readonly #warnings: Warnings;
  #state: State = { at: "rest" };
  readonly #device = Promise.withResolvers<DeviceInfo>();
  #dispatchesPerSubmit: number | undefined;
  #falseStarts = 0;
  /** Removes the leftovers of processes that died. */
  #cleaning: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: SupervisorOptions) {
    this.#warnings = options.warnings ?? new Warnings();
    this.#device.promise.catch(() => {});
  }

  /** Hashes of the jobs that are on the GPU now. */
  get running(): readonly string[] {
    return this.#pool.running.map(({ hash }) => hash);
  }

  get #running(): Running | undefined {
    return "running" in this.#state ? this.#state.running : undefined;
  }

  /** Starts a GPU process if none runs, and returns its device. */
  start(): Promise<DeviceInfo> {
    this.#spawn();
    return this.#device.promise;
  }

  /**
   * Runs a job.
   * @throws if no job can run: no adapter, or a model that cannot be loaded
   */
  async submit(job: WireJob): Promise<Outcome> {
    if (this.#state.at === "closing") throw this.#state.reason ?? closedError();
    const outcome = this.#pool.add(job);
    this.#spawn();
    this.#feedSoon();
    return await outcome;
  }

  /** Rejects the jobs that have not started with `reason`. */
  withdraw(reason: Error): void {
    this.#pool.rejectWaiting(reason);
  }

  /** Ends the GPU process when nothing is running. */
  async close(): Promise<void> {
    this.#leave({ at: "closing", running: this.#running });
    this.#running?.process.close();
    await this.#ended();
  }

  /** Kills the GPU process; unfinished jobs are rejected with `reason`. */
  async kill(reason: Error): Promise<void> {
    this.#giveUp(reason);
    await this.#ended();
  }

  async #ended(): Promise<void> {
    await this.#running?.process.ended;
    await this.#cleaning;
  }

  #giveUp(reason: Error): void {
    const state = this.#state;
    const first = state.at === "closing" ? state.reason ?? reason : reason;
    this.#leave({ at: "closing", running: this.#running, reason: first });
    this.#running?.process.kill();
    this.#device.reject(reason);
    this.#pool.rejectAll(reason);
  }

  /** Enters another state and cancels the timer of the last one. */
  #leave(next: State): void {
    const state = this.#state;
    if (state.at === "restarting") clearTimeout(state.timer);
    if (state.at === "ready") clearTimeout(state.gathering);
    if (next.at === "closing") this.#running?.watchdog.stop();
    this.#state = next;
  }

  #spawn(): void {
    if (this.#state.at !== "rest") return;
    const { command, backend, hangAfter } = this.options;
    const watchdog = new Watchdog(hangAfter, (seconds) => {
      running.loss ??= `the GPU process was silent for ${Math.round(seconds)} s`;
      running.process.kill();
    });
    const settings = { backend, dispatchesPerSubmit: this.#dispatchesPerSubmit };
    const process = new GpuProcess(command, settings, {
      message: (message) => this.#hear(message, running),
      ended: (why) => this.#lost(running.loss ?? why, running),
      said: (line) => this.options.said?.(line),
    });
    const running: Running = { process, watchdog };
    watchdog.start();
    this.#leave({ at: "starting", running });
  }

  /** Videos of a batch. */
  #wanted({ cpu }: DeviceInfo): number {
    const { gpuBatch } = this.options;
    return gpuBatch === "auto" ? AUTO_VIDEOS[cpu ? "cpu" : "gpu"] : gpuBatch;
  }

  /** Waits for jobs that arrive one by one, as long as they would make a batch larger. */
  #feedSoon(): void {
    const { gather } = this.options;
    const state = this.#state;
    if (state.at !== "ready") return;
    if (!gather || this.#pool.waiting >= this.#wanted(state.device)) return this.#feed();
    clearTimeout(state.gathering);
    state.gathering = setTimeout(() => this.#feed(), gather);
  }

  #feed(): void {
    if (this.#state.at !== "ready" || this.#pool.busy) return;
    const { running: { process, watchdog }, device } = this.#state;
    const message = this.#pool.take(this.#wanted(device));
    if (!message) return watchdog.stop();
    watchdog.start();
    process.run(message);
  }

  #hear(message: ChildMessage, running: Running): void {
    const { watchdog } = running;
    watchdog.beat(message.type === "progress" && message.generated);
    const note = this.#pool.hear(message);
    if (note) this.options.note(note);
    switch (message.type) {
      case "ready":
        if (this.#state.at === "closing") return;
        this.#leave({ at: "ready", running, device: message.device });
        this.#device.resolve(message.device);
        return this.#feed();
      case "start":
        this.#falseStarts = 0;
        return watchdog.start();
      case "idle":
        watchdog.stop();
        return message.retires ? this.#retire(message.retires, running) : this.#feedSoon();
      case "warning":
        return this.#warn(message.where, message);
      case "fatal":
        return this.#giveUp(errorOf(message.error));
      case "lost":
        running.loss = message.message;
    }
  }

  #warn(where: string, warning: RunWarning): void {
    const line = this.#warnings.add(where, warning);
    if (line) this.options.note(line);
  }

  /** Replaces a process in which a thread runs on for ever. */
  #retire(why: string, running: Running): void {
    if (this.#state.at !== "closing") {
      this.options.note(`${why}; the GPU process ends, and another starts`);
      this.#leave({ at: "retiring", running });
    }
    running.process.kill();
  }

  #lost(reason: string, { watchdog }: Running): void {
    watchdog.stop();
    if (this.#state.at === "retiring") return this.#replace();
    if (this.#state.at === "closing") {
      this.#state = { at: "closing", reason: this.#state.reason };
      return this.#pool.rejectAll(this.#state.reason ?? closedError());
    }
    this.#cleaning = Promise.all(this.#pool.running.map(cleanUpAfter));
    if (!this.#pool.lose(reason) && ++this.#falseStarts >= MOST_FALSE_STARTS) {
      this.#leave({ at: "closing" });
      return this.#giveUp(new GpuError("lost", `Cannot run on this GPU: ${reason}`));
    }
    this.#dispatchesPerSubmit = this.#dispatchesPerSubmit === undefined
      ? FIRST_SUBMIT
      : Math.max(1, Math.floor(this.#dispatchesPerSubmit / 2));
    this.options.note(`${reason}; starting another`);
    const pause = 200 * 2 ** Math.min(this.#falseStarts, 5);
    this.#leave({ at: "restarting", timer: setTimeout(() => this.#restart(), pause) });
  }

  async #restart(): Promise<void> {
    await this.#cleaning;
    if (this.#state.at === "restarting") this.#replace(); // else it was closed meanwhile
  }

  /** Starts another process if there is work. */
  #replace(): void {
    this.#leave({ at: "rest" });
    if (this.#pool.size > 0) this.#spawn();
  }
}

function closedError(): Error {
  return new Error("The GPU process was closed");
}

/** Removes the leftovers of a job from a process that died. */
async function cleanUpAfter(job: WireJob): Promise<void> {
  const { values } = checkSettings(JOB_OPTIONS, job.options, job.where);
  await removePartials(job.folder, outputFiles(job.outputs, videosOf(values))).catch(() => {
    // the next run tries again
  });
}

/** An error of the GPU process, with the property that decides the exit status. */
function errorOf({ message, temporary, stack }: ChildFailure): Error {
  const error = temporary ? new GpuError("lost", message) : new Error(message);
  if (stack) error.stack = stack;
  return error;
}
