import { optionKey, type OptionSpec, type OptionTable } from "../../cli/option.ts";
import { JOB_OPTIONS } from "../plan/options.ts";
import type { ChildMessage, Outcome, RunMessage, WireJob } from "./protocol.ts";

/** A job fails after killing the GPU process this many times. */
const MOST_LOSSES = 3;

/** A job in progress. */
interface Entry {
  readonly job: WireJob;
  readonly likeness: string;
  /** How often the GPU process died on it. */
  losses: number;
  /** It failed in a batch, and runs alone now in case the others were the cause. */
  alone: boolean;
  readonly result: PromiseWithResolvers<Outcome>;
}

/**
 * Whether jobs that differ in an option can form one GPU batch; the size of a context shows later.
 */
function mayDiffer(name: string): boolean {
  const { decides, varies }: Partial<OptionSpec> = (JOB_OPTIONS as OptionTable)[optionKey(name)] ??
    {};
  return varies === true || decides === "files";
}

/** A key for jobs that probably have the same shape, so that they go to the GPU together. */
export function likeness({ model, options }: WireJob): string {
  const shape = Object.entries(options).filter(([name]) => !mayDiffer(name));
  return JSON.stringify([model, shape.sort(([a], [b]) => a < b ? -1 : 1)]);
}

/**
 * Decides which jobs the GPU process runs next or again: in batches of equal shape, smaller ones if
 * memory ran out or the process died, alone if a batch failed.
 */
export class JobPool {
  /** By model, shape and losses; a job that runs alone has its own bucket. */
  readonly #waiting = new Map<string, Entry[]>();
  readonly #inHand = new Map<string, Entry>();
  /** Most videos that fit the memory, by likeness. */
  readonly #caps = new Map<string, number>();
  #suspects = new Set<string>();
  #model = "";
  #size = 0;

  /** Jobs that have not ended. */
  get size(): number {
    return this.#size;
  }

  /** Jobs that the GPU process does not have. */
  get waiting(): number {
    return this.#size - this.#inHand.size;
  }

  /** Whether the GPU process is still working on the last message. */
  busy = false;

  /** Jobs that would be blamed if it died now. */
  get running(): readonly WireJob[] {
    return [...this.#inHand.values()].map(({ job }) => job)
      .filter(({ hash }) => this.#suspects.has(hash));
  }

  /** @returns the job's outcome, when it has one */
  add(job: WireJob): Promise<Outcome> {
    const result = Promise.withResolvers<Outcome>();
    this.#size++;
    this.#put({ job, likeness: likeness(job), losses: 0, alone: false, result });
    return result.promise;
  }

  #put(entry: Entry): void {
    const key = JSON.stringify([entry.losses, entry.alone && entry.job.hash, entry.likeness]);
    this.#waiting.getOrInsert(key, []).push(entry);
  }

  /**
   * The next batch: jobs of one likeness, with the fewest losses, preferably of the model used
   * last.
   * @param videos most videos per batch; fewer after a loss or if memory is short
   * @returns undefined if no job is waiting
   */
  take(videos: number): RunMessage | undefined {
    const key = this.#nextBucket();
    if (key === undefined) return undefined;
    const bucket = this.#waiting.get(key)!;
    const { losses, likeness, job: { model } } = bucket[0]!;
    const most = Math.min(videosAfter(losses, videos), this.#caps.get(likeness) ?? Infinity);
    const jobs: WireJob[] = [];
    for (let room = most; bucket.length > 0 && (room > 0 || jobs.length === 0);) {
      const entry = bucket.shift()!;
      room -= videosOf(entry.job);
      this.#inHand.set(entry.job.hash, entry);
      jobs.push(entry.job);
    }
    this.#waiting.delete(key);
    if (bucket.length > 0) this.#waiting.set(key, bucket); // let other shapes take their turn
    this.busy = true;
    this.#model = model;
    return { type: "run", jobs, videos: most };
  }

  /** Jobs with losses come last: they may kill the process again. */
  #nextBucket(): string | undefined {
    let best: string | undefined;
    let least = Infinity;
    for (const [key, [first]] of this.#waiting) {
      const cost = 2 * first!.losses + (first!.job.model === this.#model ? 0 : 1);
      if (cost < least) [best, least] = [key, cost];
    }
    return best;
  }

  /**
   * Handles a message of the GPU process about jobs.
   * @returns a line for the user, if there is something to report
   */
  hear(message: ChildMessage): string | undefined {
    switch (message.type) {
      case "start": // if the process dies now, these may be the cause
        this.#suspects = new Set(message.hashes);
        return;
      case "done": {
        const { seconds, batch, outputs } = message;
        return this.#end(message.hash, { status: "done", seconds, batch, outputs });
      }
      case "failed":
        return this.#end(message.hash, { status: "failed", error: message.error });
      case "split":
        return `${message.why}; continuing with ${this.#split(message)}`;
      case "idle":
        this.#idle(message.room);
    }
  }

  #end(hash: string, result: Outcome): undefined {
    const entry = this.#inHand.get(hash);
    if (!entry) return;
    this.#inHand.delete(hash);
    this.#size--;
    entry.result.resolve(result);
  }

  /** @returns how the jobs of the batch run again */
  #split({ hashes, videos, memory }: Extract<ChildMessage, { type: "split" }>): string {
    const entries = hashes.flatMap((hash) => this.#inHand.get(hash) ?? []);
    const half = Math.max(1, Math.floor(videos / 2));
    for (const entry of entries) {
      if (memory) this.#cap(entry, half);
      else entry.alone = true;
    }
    return memory ? `${half} videos at once` : "each job alone";
  }

  #cap({ likeness }: Entry, videos = Infinity): void {
    this.#caps.set(likeness, Math.min(videos, this.#caps.get(likeness) ?? Infinity));
  }

  /** The last message is finished; its jobs without a result wait again. */
  #idle(room: number | undefined): void {
    this.busy = false;
    this.#suspects.clear();
    const rest = [...this.#inHand.values()];
    this.#inHand.clear();
    for (const entry of rest) {
      this.#cap(entry, room);
      this.#put(entry);
    }
  }

  /**
   * The process died: the jobs it was working on get one more loss, and all its jobs wait again,
   * except those with too many losses.
   * @returns whether any job is blamed
   */
  lose(reason: string): boolean {
    const entries = [...this.#inHand.values()];
    const alone = this.#suspects.size === 1;
    let blamed = false;
    for (const entry of entries) {
      const { hash } = entry.job;
      if (this.#suspects.has(hash)) {
        blamed = true;
        // the last loss counts only if no other job can be the cause
        entry.losses = alone ? entry.losses + 1 : Math.min(entry.losses + 1, MOST_LOSSES - 1);
      }
      if (entry.losses < MOST_LOSSES) {
        this.#inHand.delete(hash);
        this.#put(entry);
        continue;
      }
      const message = `The GPU process died ${MOST_LOSSES} times on this job: ${reason}`;
      const error = { message, temporary: true };
      this.#end(hash, { status: "failed", error, lost: true });
    }
    this.#suspects.clear();
    this.busy = false;
    return blamed;
  }

  /** Rejects jobs that have not started. */
  rejectWaiting(reason: Error): void {
    const entries = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    this.#size -= entries.length;
    for (const { result } of entries) result.reject(reason);
  }

  /** Rejects all jobs. */
  rejectAll(reason: Error): void {
    this.rejectWaiting(reason);
    const entries = [...this.#inHand.values()];
    this.#inHand.clear();
    this.#size = 0;
    for (const { result } of entries) result.reject(reason);
  }
}

/** Half after the first loss, alone after the second: then the third has a single culprit. */
function videosAfter(losses: number, videos: number): number {
  if (losses === 0) return videos;
  return losses > 1 ? 1 : Math.max(1, Math.floor(videos / 2));
}

/** Videos by the job's options; those of a context show later. */
function videosOf({ options: { count } }: WireJob): number {
  return typeof count === "number" ? count : 1;
}
