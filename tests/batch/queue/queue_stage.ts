/** A queue worker with a fake GPU process on a Redis of its own, for tests. */
import { sha256 } from "../../../files/hash_file.ts";
import { QUEUE_VERSION, type QueueJob } from "../../../batch/queue/queue_job.ts";
import { QueueLink } from "../../../batch/queue/queue_link.ts";
import { GivenBackError, QueueWorker } from "../../../batch/queue/queue_worker.ts";
import { Supervisor } from "../../../batch/gpu/supervisor.ts";
import { WorkerFiles } from "../../../batch/queue/worker_files.ts";
import { HAS_REDIS, RedisServer } from "../redis_server.ts";

const FAKE = `${import.meta.dirname}/../fake_gpu.ts`;
export const MODEL = "0123456789abcdef0123";
// BullMQ and ioredis keep timers of their own for a moment after they are closed
export const QUEUE_TEST = { ignore: !HAS_REDIS, sanitizeOps: false, sanitizeResources: false };

export interface Stage {
  readonly link: QueueLink;
  readonly worker: QueueWorker;
  readonly supervisor: Supervisor;
  readonly fatal: Error[];
  /** Puts a job on the queue; its name decides what happens to it. */
  add(name: string, changes?: Partial<QueueJob>, attempts?: number, jobId?: string): Promise<void>;
  /** States of all jobs when they have ended, with the reasons for failures. */
  states(...names: string[]): Promise<string[]>;
  counts(): Promise<Record<string, number>>;
  readonly notes: readonly string[];
}

/** A worker with a fake GPU process, on a Redis of its own. */
export async function stage(body: (stage: Stage) => Promise<void>): Promise<void> {
  await using server = await RedisServer.start();
  const log = await Deno.makeTempFile();
  const link = await QueueLink.open({ url: server.url, queue: "test", note: () => {} });
  await using files = await WorkerFiles.make();
  const supervisor = new Supervisor({
    command: { program: Deno.execPath(), args: ["run", "-A", "--no-config", FAKE, log] },
    gpuBatch: 1,
    hangAfter: 60,
    note: () => {},
  });
  const fatal: Error[] = [];
  const notes: string[] = [];
  const onFatal = (error: Error) => void fatal.push(error);
  const note = (line: string) => void notes.push(line);
  const options = { link, supervisor, files, concurrency: 2, lock: 5, note, onFatal };
  const worker = new QueueWorker(options);
  const queue = link.queue(MODEL);
  const idOf = (hash: string) => hash.replace(":", "-");
  try {
    await body({
      link,
      worker,
      supervisor,
      fatal,
      async add(name, changes = {}, attempts = 3, jobId = idOf(name)) {
        const job: QueueJob = {
          version: QUEUE_VERSION,
          id: name,
          line: 1,
          where: name,
          hash: sha256(name),
          options: {},
          model: { name: "m", identity: MODEL },
          outputs: ["a.mp4"],
          inputs: {},
          ...changes,
        };
        const backoff = { type: "fixed", delay: 10 };
        await queue.add("generate", job, { jobId, attempts, backoff });
      },
      async states(...names) {
        const found: string[] = [];
        for (const hash of names) {
          let state = "";
          for (let tries = 0; tries < 4000 && !/completed|failed/.test(state); tries++) {
            state = await queue.getJobState(idOf(hash));
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          const job = await queue.getJob(idOf(hash));
          found.push(
            state === "failed" ? `failed ${job!.attemptsMade}: ${job!.failedReason}` : state,
          );
        }
        return found;
      },
      counts: () => queue.getJobCounts("waiting", "active", "failed", "delayed"),
      notes,
    });
  } finally {
    await worker.pause();
    await supervisor.kill(new GivenBackError("the test is over"));
    await worker.close();
    await link.close();
    await Deno.remove(log);
  }
}
