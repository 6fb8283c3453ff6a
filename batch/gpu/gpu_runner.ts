import { GpuError, type Pipeline } from "../../mod.ts";
import { failureOf, isLost } from "./child_failure.ts";
import { joinParts, largestBatch, sampleOf } from "./gpu_batch.ts";
import type { ModelShelf } from "./model_shelf.ts";
import { modelWish, type OpenJob, PreparedJob, valuesOf } from "./prepared_job.ts";
import type { ChildMessage, RunMessage, WireJob } from "./protocol.ts";

/** The device is gone: the process that holds it must end. */
export class DeviceLostError extends Error {
  override readonly name = "DeviceLostError";
}

/** Runs jobs on one device and tells how each ends. Lives in the GPU process. */
export class GpuRunner {
  readonly #shelf: ModelShelf;
  readonly #send: (message: ChildMessage) => void;
  /** Most videos of a shape, where memory ran out with more. */
  readonly #caps = new Map<string, number>();
  /** Jobs that failed beside others, and are tried alone. */
  readonly #alone = new Set<PreparedJob>();
  readonly #told = new Set<string>();
  #open: OpenJob[] = [];

  constructor(shelf: ModelShelf, send: (message: ChildMessage) => void) {
    this.#shelf = shelf;
    this.#send = send;
  }

  /**
   * Runs jobs, those of one shape together.
   * @throws {DeviceLostError} the device is gone; what has no record is not done
   * @throws whatever keeps a model from loading: every job would fail alike
   */
  async run({ jobs, videos }: RunMessage): Promise<void> {
    const groups = new Map<string, PreparedJob[]>();
    this.#alone.clear();
    this.#told.clear();
    for (const job of jobs) {
      const prepared = await this.#prepare(job);
      if (!prepared) continue;
      groups.set(prepared.key, [...groups.get(prepared.key) ?? [], prepared]);
    }
    for (const group of groups.values()) await this.#runGroup(group, videos);
    this.#send({ type: "idle" });
  }

  /** Removes what is half written. */
  async abort(): Promise<void> {
    await Promise.all(this.#open.map((job) => job.abort().catch(() => {})));
  }

  #progress = () => this.#send({ type: "progress" });

  #fail(hash: string, error: unknown): void {
    this.#told.add(hash);
    this.#send({ type: "failed", hash, error: failureOf(error) });
  }

  async #pipelineOf(job: WireJob): Promise<Pipeline> {
    try {
      return await this.#shelf.pipeline(modelWish(job, valuesOf(job)), this.#progress);
    } catch (error) {
      if (isLost(error)) throw new DeviceLostError((error as Error).message);
      throw error;
    }
  }

  /** @returns undefined for a job that cannot run, which is told */
  async #prepare(job: WireJob): Promise<PreparedJob | undefined> {
    this.#send({ type: "start", hashes: [job.hash] });
    try {
      valuesOf(job);
    } catch (error) {
      return void this.#fail(job.hash, error);
    }
    const pipeline = await this.#pipelineOf(job);
    try {
      const prepared = await PreparedJob.make(job, valuesOf(job), pipeline);
      for (const text of prepared.warnings) {
        this.#send({ type: "note", text: `warning: ${job.where}: ${text}` });
      }
      return prepared;
    } catch (error) {
      if (isLost(error)) throw new DeviceLostError((error as Error).message);
      this.#fail(job.hash, error);
    }
  }

  /** Runs jobs of one shape, as many at a time as fit. */
  async #runGroup(group: readonly PreparedJob[], wanted: number): Promise<void> {
    const waiting = [...group];
    while (waiting.length > 0) {
      const pipeline = await this.#pipelineOf(waiting[0]!.job);
      const most = this.#limit(waiting[0]!, pipeline, wanted);
      const batch = this.#take(waiting, most);
      const retry = await this.#tryBatch(batch, pipeline);
      waiting.unshift(...retry);
    }
  }

  /** The next jobs that go together. */
  #take(waiting: PreparedJob[], most: number): PreparedJob[] {
    const batch = [waiting.shift()!];
    if (this.#alone.has(batch[0]!)) return batch;
    let videos = batch[0]!.plan.videos;
    for (let next = waiting[0]; next && !this.#alone.has(next); next = waiting[0]) {
      videos += next.plan.videos;
      if (videos > most) break;
      batch.push(waiting.shift()!);
    }
    return batch;
  }

  #limit(sample: PreparedJob, pipeline: Pipeline, wanted: number): number {
    const most = Math.min(wanted, this.#caps.get(sample.key) ?? Infinity);
    return largestBatch(most, (videos) => {
      try {
        pipeline.plan(sampleOf(sample, videos));
        return true;
      } catch (error) {
        if (error instanceof GpuError) return false;
        throw error;
      }
    });
  }

  /**
   * Runs jobs as one batch. Where memory runs out half of them are tried again together, after
   * other errors each alone.
   * @returns the jobs to try again
   */
  async #tryBatch(
    batch: readonly PreparedJob[],
    pipeline: Pipeline,
  ): Promise<readonly PreparedJob[]> {
    this.#send({ type: "start", hashes: batch.map(({ job }) => job.hash) });
    try {
      await this.#runBatch(batch, pipeline);
      return [];
    } catch (error) {
      await this.abort();
      if (isLost(error)) throw new DeviceLostError((error as Error).message);
      if (this.#shelf.spoilt) await this.#shelf.clear();
      const rest = batch.filter(({ job }) => !this.#told.has(job.hash));
      if (batch.length > 1) return this.#again(rest, error);
      for (const { job } of rest) this.#fail(job.hash, error);
      return [];
    } finally {
      this.#open = [];
    }
  }

  #again(jobs: readonly PreparedJob[], error: unknown): readonly PreparedJob[] {
    const videos = jobs.reduce((sum, { plan }) => sum + plan.videos, 0);
    let how = "each job alone";
    if (error instanceof GpuError && error.reason === "out-of-memory") {
      const half = Math.max(1, Math.floor(videos / 2));
      this.#caps.set(jobs[0]!.key, half);
      how = `${half} videos at once`;
    } else {
      for (const job of jobs) this.#alone.add(job);
    }
    const why = error instanceof Error ? error.message : String(error);
    this.#send({ type: "note", text: `${why}; continuing with ${how}` });
    return jobs;
  }

  async #runBatch(batch: readonly PreparedJob[], pipeline: Pipeline): Promise<void> {
    const start = performance.now();
    const videos = batch.reduce((sum, { plan }) => sum + plan.videos, 0);
    const owners = await this.#openAll(batch, pipeline);
    if (this.#open.length === 0) return;
    for await (const frame of pipeline.generate(joinParts(batch))) {
      const { job, video } = owners[frame.video]!;
      await this.#guard(job, () => job!.write(frame, video));
      this.#send({ type: "progress", generated: frame.kind === "generated" });
    }
    for (const job of [...this.#open]) {
      await this.#guard(job, async () => {
        const outputs = await job.close();
        const seconds = Math.round(performance.now() - start) / 1000;
        this.#open = this.#open.filter((other) => other !== job);
        this.#send({ type: "done", hash: job.hash, seconds, batch: videos, outputs });
      });
      this.#progress();
    }
  }

  /** Opens the outputs of all; whose cannot be opened has failed, and only its frames are lost. */
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

  /** Runs what only concerns one job of a batch; an error ends that job alone. */
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
