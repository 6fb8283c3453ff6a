import assert from "node:assert/strict";
import { JobPool, likeness } from "../../../batch/gpu/job_pool.ts";
import type { Outcome, WireJob } from "../../../batch/gpu/protocol.ts";

function job(hash: string, options: WireJob["options"] = {}, model = "m"): WireJob {
  return { hash, where: "jobs.jsonl:1", options, model, folder: "out", outputs: [`${hash}.mp4`] };
}

const taken = (pool: JobPool, videos = 8) => {
  const batch = pool.take(videos);
  return batch && `${batch.jobs.map(({ hash }) => hash).join(" ")} by ${batch.videos}`;
};

/** Jobs that the process reports as done, and the message that reports them. */
function done(pool: JobPool, ...hashes: string[]): void {
  for (const hash of hashes) {
    pool.hear({ type: "done", hash, seconds: 1, batch: hashes.length, outputs: [] });
  }
  pool.hear({ type: "idle" });
}

const ended = async (results: readonly Promise<Outcome>[]) =>
  (await Promise.allSettled(results)).map((result) =>
    result.status === "rejected" ? "rejected" : result.value.status
  );

Deno.test("likeness() ignores options that may differ within a batch", () => {
  const one = job("a", { steps: 4, seed: "1", actions: "left", fps: 8 });
  assert.equal(likeness(one), likeness(job("b", { seed: "2", actions: "right", steps: 4 })));
  assert.notEqual(likeness(one), likeness(job("c", { steps: 5 })));
  assert.notEqual(likeness(one), likeness({ ...one, model: "other" }));
});

Deno.test("JobPool.take() gathers jobs of one shape and stays with a model", async () => {
  const pool = new JobPool();
  const results = [
    pool.add(job("a1", { steps: 1 })),
    pool.add(job("b1", { steps: 2 })),
    pool.add(job("x1", {}, "other")),
    pool.add(job("a2", { steps: 1 })),
    pool.add(job("a3", { steps: 1 })),
  ];
  assert.equal(taken(pool, 2), "a1 a2 by 2");
  assert.equal(pool.busy, true);
  done(pool, "a1", "a2");
  assert.equal(taken(pool), "b1 by 8");
  done(pool); // without a result: it waits again
  assert.equal(taken(pool), "a3 by 8");
  done(pool, "a3");
  assert.equal(taken(pool), "b1 by 8");
  assert.equal(taken(pool), "x1 by 8");
  assert.equal(taken(pool), undefined);
  assert.equal(pool.size, 2);
  pool.rejectAll(new Error("over"));
  assert.deepEqual(await ended(results), ["done", "rejected", "rejected", "done", "done"]);
});

Deno.test("JobPool.take() counts videos, and always takes at least one job", () => {
  const pool = new JobPool();
  for (const hash of ["a", "b", "c"]) pool.add(job(hash, { count: 3 }));
  pool.add(job("d", { count: 9 }));
  assert.equal(taken(pool, 4), "a b by 4");
  done(pool, "a", "b");
  assert.equal(taken(pool, 2), "c by 2");
  done(pool, "c");
  assert.equal(taken(pool, 2), "d by 2");
});

Deno.test("JobPool.hear() halves a batch that does not fit in memory, and later ones like it", () => {
  const pool = new JobPool();
  for (const hash of ["a", "b", "c", "d", "e"]) pool.add(job(hash));
  pool.add(job("other", { steps: 9 }));
  assert.equal(taken(pool, 4), "a b c d by 4");
  const split = { type: "split", hashes: ["a", "b", "c", "d"], videos: 4, memory: true } as const;
  assert.equal(pool.hear({ ...split, why: "Full" }), "Full; continuing with 2 videos at once");
  done(pool);
  assert.equal(taken(pool, 4), "other by 4");
  assert.equal(taken(pool, 4), "e a by 2");
  done(pool, "e", "a", "other");
  assert.equal(taken(pool, 4), "b c by 2");
});

Deno.test("JobPool.hear() remembers how many videos fitted", () => {
  const pool = new JobPool();
  for (const hash of ["a", "b", "c", "d", "e"]) pool.add(job(hash));
  assert.equal(taken(pool, 4), "a b c d by 4");
  pool.hear({ type: "done", hash: "a", seconds: 1, batch: 1, outputs: [] });
  pool.hear({ type: "idle", room: 1 });
  assert.equal(taken(pool, 4), "e by 1");
  done(pool, "e");
  assert.equal(taken(pool, 4), "b by 1");
});

Deno.test("JobPool.hear() runs each job of a batch that failed alone", async () => {
  const pool = new JobPool();
  const results = ["a", "bad", "c"].map((hash) => pool.add(job(hash)));
  assert.equal(taken(pool), "a bad c by 8");
  pool.hear({ type: "done", hash: "a", seconds: 1, batch: 3, outputs: [] });
  const split = { type: "split", hashes: ["a", "bad", "c"], videos: 3, memory: false } as const;
  assert.equal(
    pool.hear({ ...split, why: "Not finite" }),
    "Not finite; continuing with each job alone",
  );
  done(pool);
  assert.equal(taken(pool), "bad by 8");
  pool.hear({ type: "failed", hash: "bad", error: { message: "Not finite", temporary: false } });
  done(pool);
  assert.equal(taken(pool), "c by 8");
  done(pool, "c");
  assert.deepEqual(await ended(results), ["done", "failed", "done"]);
});

Deno.test("JobPool.lose() halves the batch, then singles out the culprit", async () => {
  const pool = new JobPool();
  const hashes = ["a", "b", "c", "d"];
  const results = hashes.map((hash) => pool.add(job(hash)));
  const start = (...hashes: string[]) => pool.hear({ type: "start", hashes });
  assert.equal(taken(pool, 4), "a b c d by 4");
  start(...hashes);
  assert.equal(pool.lose("gone"), true);
  assert.equal(taken(pool, 4), "a b by 2");
  start("a", "b");
  assert.equal(pool.lose("gone"), true);
  assert.equal(taken(pool, 4), "c d by 2");
  done(pool, "c", "d");
  assert.equal(taken(pool, 4), "a by 1");
  start("a");
  pool.lose("gone");
  assert.equal(taken(pool, 4), "b by 1");
  start("b");
  done(pool, "b");
  assert.deepEqual(await ended(results), ["failed", "done", "done", "done"]);
  assert.deepEqual(await results[0], {
    status: "failed",
    error: { message: "The GPU process died 3 times on this job: gone", temporary: true },
    lost: true,
  });
  assert.equal(pool.size, 0);
});

Deno.test("JobPool.lose() blames no job if the process ends before it works", () => {
  const pool = new JobPool();
  pool.add(job("a"));
  taken(pool);
  assert.equal(pool.lose("gone"), false);
  assert.equal(taken(pool), "a by 8");
});

Deno.test("JobPool.rejectWaiting() returns jobs that have not started", async () => {
  const pool = new JobPool();
  const begun = pool.add(job("a"));
  taken(pool);
  const waiting = pool.add(job("b"));
  pool.rejectWaiting(new Error("back"));
  await assert.rejects(waiting, /back/);
  done(pool, "a");
  assert.equal((await begun).status, "done");
  assert.equal(pool.size, 0);
});
