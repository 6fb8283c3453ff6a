import assert from "node:assert/strict";
import { sha256 } from "../../../files/hash_file.ts";
import { QUEUE_VERSION, type QueueJob } from "../../../batch/queue/queue_job.ts";
import { QueueLink } from "../../../batch/queue/queue_link.ts";
import { GivenBackError, QueueWorker } from "../../../batch/queue/queue_worker.ts";
import { Supervisor } from "../../../batch/gpu/supervisor.ts";
import { WorkerFiles } from "../../../batch/queue/worker_files.ts";
import { until } from "../batch_process.ts";
import { HAS_REDIS, RedisServer } from "../redis_server.ts";

const FAKE = `${import.meta.dirname}/../fake_gpu.ts`;
const MODEL = "0123456789abcdef0123";
// BullMQ and ioredis keep timers of their own for a moment after they are closed
const QUEUE_TEST = { ignore: !HAS_REDIS, sanitizeOps: false, sanitizeResources: false };

interface Stage {
  readonly worker: QueueWorker;
  readonly supervisor: Supervisor;
  readonly fatal: Error[];
  /** Puts a job on the queue; its name says what happens to it. */
  add(name: string, changes?: Partial<QueueJob>, attempts?: number, jobId?: string): Promise<void>;
  /** States of jobs when all have ended, with what is told of failures. */
  states(...names: string[]): Promise<string[]>;
  counts(): Promise<Record<string, number>>;
  readonly notes: readonly string[];
}

/** A worker with a fake GPU process, on a Redis of its own. */
async function stage(body: (stage: Stage) => Promise<void>): Promise<void> {
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

Deno.test({
  name: "QueueWorker gives up a job that takes the GPU down, and no other",
  ...QUEUE_TEST,
}, () =>
  stage(async ({ worker, add, states }) => {
    for (const hash of ["a", "crash:9", "b"]) await add(hash);
    worker.serve(MODEL, "m");
    const [a, crash, b] = await states("a", "crash:9", "b");
    assert.deepEqual([a, b], ["completed", "completed"]);
    assert.match(crash!, /^failed 1: The GPU process died 3 times on this job/);
  }));

Deno.test(
  { name: "QueueWorker repeats what may be cured, and nothing else", ...QUEUE_TEST },
  () =>
    stage(async ({ worker, add, states, fatal }) => {
      await add("bad:0");
      await add("tight:0");
      await add("new:0", { version: QUEUE_VERSION + 1 });
      await add("out:0", { outputs: ["../../escaped.mp4"] });
      worker.serve(MODEL, "m");
      const [bad, tight, newer, out] = await states("bad:0", "tight:0", "new:0", "out:0");
      assert.equal(bad, "failed 1: Cannot use it");
      assert.equal(tight, "failed 3: The GPU is out of memory");
      assert.match(newer!, /^failed 1: .*update this worker/);
      assert.match(out!, /^failed 1: .*must be inside the output folder/);
      assert.deepEqual(fatal, []);
    }),
);

Deno.test({
  name: "QueueWorker gives its jobs back where it cannot write or compute",
  ...QUEUE_TEST,
}, () =>
  stage(async ({ worker, add, counts, fatal }) => {
    await add("full:0", {}, 1);
    worker.serve(MODEL, "m");
    await until("the worker gives up", () => fatal.length > 0);
    assert.match(fatal[0]!.message, /No space left/);
    await worker.pause();
    await worker.close();
    const { active, failed, waiting } = await counts();
    assert.deepEqual([active, failed, waiting], [0, 0, 1]);
  }));

Deno.test(
  { name: "QueueWorker gives back what its supervisor is taken away from", ...QUEUE_TEST },
  () =>
    stage(async ({ worker, supervisor, add, counts, fatal }) => {
      await add("hang:9");
      worker.serve(MODEL, "m");
      await until("the job runs", () => supervisor.running.length === 1);
      await worker.pause();
      await supervisor.kill(new GivenBackError("the worker is stopping"));
      await worker.close(); // BullMQ has told the server by then
      const { active, failed, waiting } = await counts();
      assert.deepEqual([active, failed, waiting], [0, 0, 1]);
      assert.deepEqual(fatal, []);
    }),
);

Deno.test({
  name: "QueueWorker leaves jobs whose shared folder is not here to others",
  ...QUEUE_TEST,
}, () =>
  stage(async ({ worker, add, counts, states, notes, fatal }) => {
    await add("a:0", { shared: "/tmp" }, 1); // it is there, but this worker was not given it
    await add("b:0", { shared: "/tmp" }, 1);
    await add("c:0");
    worker.serve(MODEL, "m");
    assert.deepEqual(await states("c:0"), ["completed"]);
    await until("both are left alone", () => notes.length > 0);
    while ((await counts()).delayed !== 2) await new Promise((next) => setTimeout(next, 20));
    const { failed, waiting } = await counts();
    assert.deepEqual([failed, waiting], [0, 0]);
    assert.deepEqual(fatal, []);
    const [done, left, ...others] = notes.toSorted();
    assert.match(done!, /^job "c:0" done in [\d.]+ s$/);
    assert.match(left!, /shared folder "\/tmp" are left to other workers; .*--out-dir/);
    assert.deepEqual(others, []);
  }));

Deno.test(
  { name: "QueueWorker runs a job that two batches want for each of them", ...QUEUE_TEST },
  () =>
    stage(async ({ worker, add, states }) => {
      await add("a");
      await add("a", {}, 1, "a-elsewhere");
      worker.serve(MODEL, "m");
      assert.deepEqual(await states("a", "a-elsewhere"), ["completed", "completed"]);
    }),
);
