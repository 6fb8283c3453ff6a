import { optionKey, type OptionSpec, type OptionTable } from "../../cli/option.ts";
import { JOB_OPTIONS } from "../plan/options.ts";
import type { WireJob } from "./protocol.ts";

/** A job on its way. */
export interface PooledJob {
  readonly job: WireJob;
  /** How often the GPU process did not survive it. */
  losses: number;
}

interface Entry<T> extends PooledJob {
  readonly result: PromiseWithResolvers<T>;
}

/** Jobs for a message, and how many videos may run as one batch. */
export interface Taken {
  readonly jobs: readonly WireJob[];
  readonly videos: number;
}

/** Whether jobs that differ in an option can be one GPU batch; a context's size shows later. */
function mayDiffer(name: string): boolean {
  const { decides, varies }: Partial<OptionSpec> = (JOB_OPTIONS as OptionTable)[optionKey(name)] ??
    {};
  return varies === true || decides === "files";
}

/** Jobs whose likeness is equal probably have the same shape, and go to the GPU together. */
export function likeness({ model, options }: WireJob): string {
  const shape = Object.entries(options).filter(([name]) => !mayDiffer(name));
  return JSON.stringify([model, shape.sort(([a], [b]) => a < b ? -1 : 1)]);
}

/** Jobs that wait, in buckets of equal shape, and those that the GPU process has in hand. */
export class JobPool<T> {
  /** By model, likeness and losses; a job that was lost goes with fewer others. */
  readonly #waiting = new Map<string, Entry<T>[]>();
  readonly #inHand = new Map<string, Entry<T>>();
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

  /** Whether the GPU process still works on the last message. */
  busy = false;

  /** What it would be blamed for. */
  get running(): readonly PooledJob[] {
    return [...this.#inHand.values()].filter(({ job }) => this.#suspects.has(job.hash));
  }

  /** @returns the job's result, when it has one */
  add(job: WireJob): Promise<T> {
    const entry = { job, losses: 0, result: Promise.withResolvers<T>() };
    this.#size++;
    this.#put(entry);
    return entry.result.promise;
  }

  #put(entry: Entry<T>): void {
    const key = `${entry.losses} ${likeness(entry.job)}`;
    const bucket = this.#waiting.get(key);
    if (bucket) bucket.push(entry);
    else this.#waiting.set(key, [entry]);
  }

  /**
   * The next jobs of one likeness: those lost least, of the model used last where it has any.
   * @param videos that may run as one batch; fewer do after a loss
   */
  take(most: number, videos: number): Taken {
    const key = this.#nextBucket();
    if (key === undefined) return { jobs: [], videos };
    const bucket = this.#waiting.get(key)!;
    const entries = bucket.splice(0, Math.max(most, videos));
    this.#waiting.delete(key);
    if (bucket.length > 0) this.#waiting.set(key, bucket); // other shapes take their turn
    for (const entry of entries) this.#inHand.set(entry.job.hash, entry);
    this.busy = true;
    this.#model = entries[0]!.job.model;
    const jobs = entries.map(({ job }) => job);
    return { jobs, videos: videosAfter(entries[0]!.losses, videos) };
  }

  /** What was lost before comes last: it may take the process with it again. */
  #nextBucket(): string | undefined {
    let best: string | undefined;
    let least = Infinity;
    for (const [key, [first]] of this.#waiting) {
      const cost = 2 * first!.losses + (first!.job.model === this.#model ? 0 : 1);
      if (cost < least) [best, least] = [key, cost];
    }
    return best;
  }

  /** These are being worked on; if the process ends now, they may be why. */
  suspect(hashes: readonly string[]): void {
    this.#suspects = new Set(hashes);
  }

  /** A job has its result. */
  end(hash: string, result: T): void {
    const entry = this.#inHand.get(hash);
    if (!entry) return;
    this.#inHand.delete(hash);
    this.#size--;
    entry.result.resolve(result);
  }

  /** The last message is done with. What got no result, against all promises, waits again. */
  idle(): void {
    this.busy = false;
    this.#suspects.clear();
    const forgotten = [...this.#inHand.values()];
    this.#inHand.clear();
    for (const entry of forgotten) this.#put(entry);
  }

  /**
   * The process is gone: what it was working on has one more loss, all it had waits again.
   * @returns how many are blamed, and those that have had enough; these must be ended by the caller
   */
  lose(most: number): { readonly blamed: number; readonly failed: readonly PooledJob[] } {
    const failed: Entry<T>[] = [];
    let blamed = 0;
    const entries = [...this.#inHand.values()];
    const alone = this.#suspects.size === 1;
    this.#inHand.clear();
    for (const entry of entries) {
      const suspect = this.#suspects.has(entry.job.hash);
      if (suspect) {
        blamed++;
        // the last loss counts only where nobody else can be to blame
        entry.losses = alone ? entry.losses + 1 : Math.min(entry.losses + 1, most - 1);
      }
      if (entry.losses < most) this.#put(entry);
      else {
        this.#inHand.set(entry.job.hash, entry);
        failed.push(entry);
      }
    }
    this.#suspects.clear();
    this.busy = false;
    return { blamed, failed };
  }

  /** Ends the jobs that nothing was begun of. */
  rejectWaiting(reason: Error): void {
    const entries = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    this.#size -= entries.length;
    for (const { result } of entries) result.reject(reason);
  }

  /** Ends all jobs with an error. */
  rejectAll(reason: Error): void {
    const entries = [...this.#waiting.values()].flat().concat([...this.#inHand.values()]);
    this.#waiting.clear();
    this.#inHand.clear();
    this.#size = 0;
    for (const { result } of entries) result.reject(reason);
  }
}

/** Half after the first loss, alone after the second: the third then has one culprit. */
function videosAfter(losses: number, videos: number): number {
  if (losses === 0) return videos;
  return losses > 1 ? 1 : Math.max(1, Math.floor(videos / 2));
}
