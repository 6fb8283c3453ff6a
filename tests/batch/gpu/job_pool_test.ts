import assert from "node:assert/strict";
import { JobPool, likeness } from "../../../batch/gpu/job_pool.ts";
import type { WireJob } from "../../../batch/gpu/protocol.ts";

function job(hash: string, options: WireJob["options"] = {}, model = "m"): WireJob {
  return { hash, where: "jobs.jsonl:1", options, model, folder: "out", outputs: [`${hash}.mp4`] };
}

const taken = (pool: JobPool<string>, most = 16, videos = 8) => {
  const { jobs, videos: size } = pool.take(most, videos);
  return [jobs.map(({ hash }) => hash).join(" "), size] as const;
};

Deno.test("likeness() ignores what one batch may mix", () => {
  const one = job("a", { steps: 4, seed: "1", actions: "left", fps: 8 });
  assert.equal(likeness(one), likeness(job("b", { seed: "2", actions: "right", steps: 4 })));
  assert.notEqual(likeness(one), likeness(job("c", { steps: 5 })));
  assert.notEqual(likeness(one), likeness({ ...one, model: "other" }));
});

Deno.test("JobPool.take() gathers jobs of one shape and stays with a model", async () => {
  const pool = new JobPool<string>();
  const results = [
    pool.add(job("a1", { steps: 1 })),
    pool.add(job("b1", { steps: 2 })),
    pool.add(job("x1", {}, "other")),
    pool.add(job("a2", { steps: 1 })),
    pool.add(job("a3", { steps: 1 })),
  ];
  assert.deepEqual(taken(pool, 2, 2), ["a1 a2", 2]);
  assert.equal(pool.busy, true);
  pool.end("a1", "one");
  pool.end("a2", "two");
  pool.idle();
  assert.deepEqual(taken(pool), ["b1", 8]);
  pool.idle(); // without a result: it waits again
  assert.deepEqual(taken(pool), ["a3", 8]);
  pool.end("a3", "three");
  assert.deepEqual(taken(pool), ["b1", 8]);
  assert.deepEqual(taken(pool), ["x1", 8]);
  assert.deepEqual(taken(pool), ["", 8]);
  assert.equal(pool.size, 2);
  pool.rejectAll(new Error("over"));
  const settled = await Promise.allSettled(results);
  assert.deepEqual(settled.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
});

Deno.test("JobPool.lose() halves the batch, then singles out the culprit", async () => {
  const pool = new JobPool<string>();
  const hashes = ["a", "b", "c", "d"];
  const results = hashes.map((hash) => pool.add(job(hash)));
  assert.deepEqual(taken(pool, 16, 4), ["a b c d", 4]);
  pool.suspect(hashes);
  assert.equal(pool.lose(3).blamed, 4);
  assert.deepEqual(taken(pool, 16, 4), ["a b c d", 2]);
  pool.suspect(["a", "b"]);
  assert.deepEqual(pool.lose(3), { blamed: 2, failed: [] });
  assert.deepEqual(taken(pool, 16, 4), ["c d", 2]);
  pool.end("c", "fine");
  pool.end("d", "fine");
  pool.idle();
  assert.deepEqual(taken(pool, 16, 4), ["a b", 1]);
  pool.suspect(["a"]);
  const lost = pool.lose(3);
  assert.deepEqual(lost.failed.map(({ job }) => job.hash), ["a"]);
  pool.end("a", "failed");
  assert.deepEqual(taken(pool, 16, 4), ["b", 1]);
  pool.suspect(["b"]);
  pool.end("b", "fine");
  assert.deepEqual(await Promise.all(results), ["failed", "fine", "fine", "fine"]);
  assert.equal(pool.size, 0);
});

Deno.test("JobPool.lose() blames nobody for an end before any work", () => {
  const pool = new JobPool<string>();
  pool.add(job("a"));
  taken(pool);
  assert.deepEqual(pool.lose(3), { blamed: 0, failed: [] });
  assert.deepEqual(taken(pool), ["a", 8]);
});

Deno.test("JobPool.rejectWaiting() gives back what was not begun", async () => {
  const pool = new JobPool<string>();
  const begun = pool.add(job("a"));
  taken(pool);
  const waiting = pool.add(job("b"));
  pool.rejectWaiting(new Error("back"));
  await assert.rejects(waiting, /back/);
  pool.end("a", "done");
  assert.equal(await begun, "done");
  assert.equal(pool.size, 0);
});
