import assert from "node:assert/strict";
import { QUEUE_VERSION } from "../../../batch/queue/queue_job.ts";
import { GivenBackError } from "../../../batch/queue/queue_worker.ts";
import { until } from "../batch_process.ts";
import { MODEL, QUEUE_TEST, stage } from "./queue_stage.ts";

Deno.test({
  name: "QueueWorker gives up only the job that kills the GPU process",
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
  { name: "QueueWorker retries only failures that a retry may fix", ...QUEUE_TEST },
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
  name: "QueueWorker gives its jobs back when it cannot write or compute",
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
  { name: "QueueWorker gives jobs back when its supervisor is killed", ...QUEUE_TEST },
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
