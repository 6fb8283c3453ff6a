import { StuckMediaError } from "../../app.ts";
import { GpuError, type Pipeline } from "../../mod.ts";
import { failureOf, isLost } from "./child_failure.ts";
import { joinParts, largestBatch, sampleOf } from "./gpu_batch.ts";
import type { ModelShelf } from "./model_shelf.ts";
import { modelWish, type OpenJob, PreparedJob, valuesOf } from "./prepared_job.ts";
import type { ChildMessage, RunMessage, WireJob } from "./protocol.ts";

/** The device is lost: the process that holds it must end. */
export class DeviceLostError extends Error {
  override readonly name = "DeviceLostError";
}

/**
 * Runs jobs on one device, one batch at a time, and reports how each ends. Part of the GPU process.
 */
export class GpuRunner {
  #open: OpenJob[] = [];
  /** Why this process must end: a thread of it cannot be stopped. */
  #retires: string | undefined;

  constructor(
    private readonly shelf: ModelShelf,
    private readonly send: (message: ChildMessage) => void,
  ) {}

  /**
   * Runs jobs as one batch: the first, and as many of its shape as fit the memory. The rest gets no
   * record; nor does any once a source has kept its reader busy without an end.
   * @throws {DeviceLostError} the device is lost; jobs without a record are not done
   * @throws if a model cannot be loaded: every job would fail the same way
   */
  async run({ jobs, videos }: RunMessage): Promise<void> {
    const prepared: PreparedJob[] = [];
    for (const job of jobs) {
      prepared.push(...await this.#prepare(job));
      if (this.#retires) return this.send({ type: "idle", retires: this.#retires });
    }
    const [first] = prepared;
    if (!first) return this.send({ type: "idle" });
    const pipeline = await this.#pipelineOf(first.job);
    const alike = prepared.filter(({ key }) => key === first.key);
    const room = roomFor(first, pipeline, videos);
    const batch = firstOf(alike, room);
    await this.#tryBatch(batch, pipeline);
    this.send({ type: "idle", room: batch.length < alike.length ? room : undefined });
  }

  /** Whether this process must end when its work is over. */
  get isRetired(): boolean {
    return this.#retires !== undefined;
  }

  /** Removes unfinished outputs. */
  async abort(): Promise<void> {
    await Promise.all(this.#open.map((job) => job.abort().catch(() => {})));
  }

  #progress = () => this.send({ type: "progress" });

  #fail(hash: string, error: unknown): void {
    if (error instanceof StuckMediaError) this.#retires ??= error.message;
    this.send({ type: "failed", hash, error: failureOf(error) });
  }

  async #pipelineOf(job: WireJob): Promise<Pipeline> {
    try {
      return await this.shelf.pipeline(modelWish(job, valuesOf(job)), this.#progress);
    } catch (error) {
      if (isLost(error)) throw new DeviceLostError((error as Error).message);
      throw error;
    }
  }

  /** @returns empty if the job cannot run, which is reported */
  async #prepare(job: WireJob): Promise<PreparedJob[]> {
    this.send({ type: "start", hashes: [job.hash] });
    try {
      valuesOf(job);
    } catch (error) {
      this.#fail(job.hash, error);
      return [];
    }
    const pipeline = await this.#pipelineOf(job);
    try {
      const prepared = await PreparedJob.make(job, valuesOf(job), pipeline);
      for (const one of prepared.warnings) {
        this.send({ type: "warning", where: job.where, ...one });
      }
      return [prepared];
    } catch (error) {
      if (isLost(error)) throw new DeviceLostError((error as Error).message);
      this.#fail(job.hash, error);
      return [];
    }
  }

  /** Runs jobs as one batch; if the batch fails, jobs without a record may run in other batches. */
  async #tryBatch(batch: readonly PreparedJob[], pipeline: Pipeline): Promise<void> {
    const hashes = batch.map(({ job }) => job.hash);
    this.send({ type: "start", hashes });
    try {
      await this.#runBatch(batch, pipeline);
    } catch (error) {
      await this.abort();
      if (isLost(error)) throw new DeviceLostError((error as Error).message);
      if (this.shelf.spoilt) await this.shelf.clear();
      if (batch.length === 1) return this.#fail(hashes[0]!, error);
      const memory = error instanceof GpuError && error.reason === "out-of-memory";
      const why = error instanceof Error ? error.message : String(error);
      this.send({ type: "split", hashes, videos: videosOf(batch), memory, why });
    } finally {
      this.#open = [];
    }
  }

  async #runBatch(batch: readonly PreparedJob[], pipeline: Pipeline): Promise<void> {
    const start = performance.now();
    const videos = videosOf(batch);
    const owners = await this.#openAll(batch, pipeline);
    if (this.#open.length === 0) return;
    for await (const frame of pipeline.generate(joinParts(batch))) {
      const { job, video } = owners[frame.video]!;
      await this.#guard(job, () => job!.write(frame, video));
      this.send({ type: "progress", generated: frame.kind === "generated" });
    }
    for (const job of [...this.#open]) {
      await this.#guard(job, async () => {
        const outputs = await job.close();
        const seconds = Math.round(performance.now() - start) / 1000;
        this.#open = this.#open.filter((other) => other !== job);
        this.send({ type: "done", hash: job.hash, seconds, batch: videos, outputs });
      });
      this.#progress();
    }
  }

  /** Opens the outputs of all jobs; one whose outputs cannot be opened fails alone. */
  async #openAll(batch: readonly PreparedJob[], pipeline: Pipeline) {
    const owners: { job: OpenJob | undefined; video: number }[] = [];
    this.#open = [];
    for (const prepared of batch) {
      let job: OpenJob | undefined;
      try {
        job = await prepared.open(pipeline);
        this.#open.push(job);
      } catch (error) {
        this.#fail(prepared.job.hash, error);
      }
      for (let video = 0; video < prepared.plan.videos; video++) owners.push({ job, video });
    }
    return owners;
  }

  /** Runs an action for one job of a batch; an error fails only that job. */
  async #guard(job: OpenJob | undefined, action: () => Promise<void>): Promise<void> {
    if (!job || !this.#open.includes(job)) return;
    try {
      await action();
    } catch (error) {
      this.#open = this.#open.filter((other) => other !== job);
      await job.abort().catch(() => {});
      this.#fail(job.hash, error);
    }
  }
}

function videosOf(batch: readonly PreparedJob[]): number {
  return batch.reduce((sum, { plan }) => sum + plan.videos, 0);
}

/** How many videos of a job's shape fit the device at once, at most `wanted`. */
function roomFor(sample: PreparedJob, pipeline: Pipeline, wanted: number): number {
  return largestBatch(wanted, (videos) => {
    try {
      pipeline.plan(sampleOf(sample, videos));
      return true;
    } catch (error) {
      if (error instanceof GpuError) return false;
      throw error;
    }
  });
}

/** As many of the first jobs as fit, but at least one. */
function firstOf(jobs: readonly PreparedJob[], room: number): PreparedJob[] {
  let count = 1;
  while (count < jobs.length && videosOf(jobs.slice(0, count + 1)) <= room) count++;
  return jobs.slice(0, count);
}
