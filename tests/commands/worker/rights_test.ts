import assert from "node:assert/strict";
import { join } from "node:path";
import { QueueLink } from "../../../batch/queue/queue_link.ts";
import { lineCount, startFar, TINY, until } from "../../batch/batch_process.ts";
import { HAS_REDIS, RedisServer } from "../../batch/redis_server.ts";

const ignore = !HAS_REDIS || Deno.build.os !== "linux";

interface Stage {
  readonly server: RedisServer;
  /** URL for a user with these rights. */
  urlFor(rights: string): Promise<string>;
  batch(url: string, ...args: string[]): ReturnType<typeof startFar>;
  readonly results: string;
}

async function stage(body: (stage: Stage) => Promise<void>): Promise<void> {
  await using server = await RedisServer.start();
  const folder = await Deno.makeTempDir();
  const manifest = join(folder, "jobs.jsonl");
  const jobs = [TINY, { id: "v", seed: { range: [0, 3] } }];
  await Deno.writeTextFile(manifest, jobs.map((line) => JSON.stringify(line)).join("\n"));
  const out = join(folder, "out");
  try {
    await body({
      server,
      async urlFor(rights) {
        const link = await QueueLink.open({ url: server.url, queue: "far", note: () => {} });
        const rules = ["on", ">secret", "~far:*", "&far:*", ...rights.split(" ")];
        await link.client.call("ACL", "SETUSER", "limited", "reset", ...rules);
        await link.close();
        return server.url.replace("redis://", "redis://limited:secret@");
      },
      batch: (url, ...args) =>
        startFar("batch", manifest, "--out-dir", out, "--redis", url, ...args),
      results: join(out, "results.jsonl"),
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test(
  { name: "far batch and far worker need no dangerous commands of Redis", ignore },
  () =>
    stage(async ({ urlFor, batch }) => {
      const url = await urlFor("+@all -@dangerous");
      const worker = startFar("worker", "--redis", url, "--idle", "3");
      const { code, stdout, stderr } = await batch(url).ended;
      assert.equal(code, 0, stderr);
      assert.match(stdout, /3 of 3 jobs done/);
      const status = await startFar("batch", "status", "--redis", url, "--json").ended;
      assert.equal(status.code, 0, status.stderr);
      assert.equal(JSON.parse(status.stdout).models[0].failed, 0);
      assert.equal((await worker.ended).code, 0);
      assert.ok(!/NOPERM|Skipping/.test(stderr + (await worker.ended).stderr));
    }),
);

for (const right of ["hgetall", "evalsha", "bzpopmin"]) {
  Deno.test(
    { name: `far worker ends with a line where it may not call ${right}`, ignore },
    () =>
      stage(async ({ server, urlFor, batch }) => {
        assert.equal((await batch(server.url, "--detach").ended).code, 0);
        const url = await urlFor(`+@all -@dangerous -${right} -eval`);
        const { code, stderr } = await startFar("worker", "--redis", url).ended;
        assert.equal(code, 1, stderr);
        assert.match(
          stderr,
          /^error: The queue's server refused the request: .*rights that a queue needs\)$/m,
        );
        assert.ok(!/Uncaught|\n +at /.test(stderr), stderr);
      }),
  );
}

Deno.test(
  { name: "far batch ends with a line where it may not put jobs on the queue", ignore },
  () =>
    stage(async ({ urlFor, batch }) => {
      const { code, stderr } = await batch(await urlFor("+@all -evalsha -eval")).ended;
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^error: The queue's server refused the request: /m);
    }),
);

const STATES: readonly (readonly [string, (server: RedisServer) => unknown])[] = [
  ["is there", () => {}],
  ["does not answer", (server) => server.freeze()],
  ["is gone", (server) => server.end()],
];

for (const [state, bring] of STATES) {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.test(
      { name: `far worker ends on ${signal} where the server ${state}`, ignore },
      () =>
        stage(async ({ server, batch, results }) => {
          const worker = startFar("worker", "--redis", server.url, "--drain", "1");
          const producer = batch(server.url);
          await until("a job is done", () => lineCount(results) >= 1);
          await bring(server);
          worker.child.kill(signal);
          const { code, stderr } = await worker.ended;
          assert.equal(code, signal === "SIGTERM" ? 143 : 130, stderr);
          assert.match(stderr, /^Stopped by SIG/m); // no error
          try {
            producer.child.kill("SIGINT");
          } catch {
            // it has ended already
          }
          assert.ok([0, 130].includes((await producer.ended).code));
        }),
    );
  }
}
