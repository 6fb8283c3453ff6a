import assert from "node:assert/strict";
import { join } from "node:path";
import { readResults } from "../../../batch/results.ts";
import type { QueueResult } from "../../../batch/queue/queue_job.ts";
import {
  checkOutputs,
  childrenOf,
  filesUnder,
  kill,
  lineCount,
  MODEL,
  startFar,
  startFarWith,
  TINY,
  until,
} from "../../batch/batch_process.ts";
import {
  HAS_OPENSSL,
  HAS_REDIS,
  makeCertificate,
  type RedisOptions,
  RedisServer,
} from "../../batch/redis_server.ts";
import { QueueLink } from "../../../batch/queue/queue_link.ts";

const ignore = !HAS_REDIS || Deno.build.os !== "linux";
if (!HAS_REDIS) console.error("The tests of far worker need redis-server: they are left out");

interface Stage {
  readonly server: RedisServer;
  readonly out: string;
  readonly results: string;
  /** A path next to the output folder. */
  path(name: string): string;
  batch(lines: readonly unknown[], ...args: string[]): ReturnType<typeof startFar>;
  worker(...args: string[]): ReturnType<typeof startFar>;
}

async function stage(
  body: (stage: Stage) => Promise<void>,
  options: RedisOptions = {},
): Promise<void> {
  await using server = await RedisServer.start(options);
  const folder = await Deno.makeTempDir();
  const out = join(folder, "out");
  await Deno.mkdir(out);
  const { url } = server;
  const env: Record<string, string> = options.tls ? { DENO_CERT: options.tls.authority } : {};
  const running: ReturnType<typeof startFar>[] = [];
  const start = (...args: string[]) => {
    const far = startFarWith(env, ...args);
    running.push(far);
    return far;
  };
  try {
    await body({
      server,
      out,
      results: join(out, "results.jsonl"),
      path: (name) => join(folder, name),
      batch(lines, ...args) {
        const manifest = join(folder, "jobs.jsonl");
        Deno.writeTextFileSync(manifest, lines.map((line) => JSON.stringify(line)).join("\n"));
        return start("batch", manifest, "--out-dir", out, "--redis", url, ...args);
      },
      worker: (...args) =>
        start("worker", "--redis", url, "--lock", "3", "--out-dir", out, ...args),
    });
  } finally {
    for (const { child, ended } of running) {
      kill(child.pid);
      await ended;
    }
    await Deno.remove(folder, { recursive: true });
  }
}

const JOBS = (count: number, output = ["{id}.mp4", "{id}.safetensors"]) => [
  TINY,
  { id: "v", seed: { range: [0, count] }, output },
];

/** How the queue sees its jobs. */
async function status(url: string): Promise<Record<string, number>> {
  const { stdout } = await startFar("batch", "status", "--redis", url, "--json").ended;
  const { models } = JSON.parse(stdout);
  return models[0] ?? {};
}

Deno.test(
  { name: "far worker makes every job once, whichever process dies", ignore },
  () =>
    stage(async ({ server, out, results, batch, worker }) => {
      const workers = [worker(), worker()];
      const { ended } = batch(JOBS(20));
      await until("3 jobs are done", () => lineCount(results) >= 3);
      const [victim] = workers;
      const gpu = childrenOf(victim!.child.pid);
      kill(victim!.child.pid);
      gpu.forEach(kill);
      await until("8 jobs are done", () => lineCount(results) >= 8);
      await server.restart();
      const { code, stdout, stderr } = await ended;
      assert.equal(code, 0, stderr);
      assert.match(stdout, /20 of 20 jobs done/);
      const ids = (await readResults(results)).map(({ id }) => id);
      assert.equal(ids.length, 20);
      assert.equal(new Set(ids).size, 20);
      assert.equal((await checkOutputs(out)).length, 40);
      assert.ok(!filesUnder(out).some((name) => name.endsWith(".partial")));
    }),
);

Deno.test(
  { name: "far batch failed and retry list and repeat failed jobs", ignore },
  () =>
    stage(async ({ server, path, batch, worker, out }) => {
      await Deno.writeTextFile(path("clip.gif"), "no picture at all");
      const jobs = [...JOBS(1), { id: "bad", context: path("clip.gif") }];
      worker("--model", MODEL);
      const first = await batch(jobs).ended;
      assert.equal(first.code, 1, first.stderr);
      assert.match(first.stderr, /job "bad" failed: Cannot read "clip\.gif"/);
      assert.deepEqual(await checkOutputs(out), ["v-0.mp4", "v-0.safetensors"]);
      const far = (...args: string[]) => startFar("batch", ...args, "--redis", server.url).ended;
      const [entry] = (await far("failed", "--json")).stdout.trim().split("\n").map((line) =>
        JSON.parse(line)
      );
      assert.equal(entry.id, "bad");
      assert.equal(entry.attempts, 1, "what fails for good is not tried again");
      assert.match(
        (await far("failed")).stdout,
        /job "bad" \(line 3, .*\), attempt 1: Cannot read/,
      );
      const wrong = await far("retry", "bad", "worse");
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /Cannot retry worse/);
      const before = await status(server.url);
      assert.deepEqual([before.failed, before.workers], [1, 1]);
      assert.match((await far("retry", "bad")).stdout, /1 job is tried again/);
    }),
);

Deno.test(
  { name: "far worker finishes its current job on SIGTERM, and leaves the others", ignore },
  () =>
    stage(async ({ server, out, results, batch, worker }) => {
      const first = worker();
      const producer = batch(JOBS(60, ["{id}.safetensors"]), "--shared");
      await until("2 jobs are done", () => lineCount(results) >= 2);
      first.child.kill("SIGTERM");
      const { code, stderr } = await first.ended;
      assert.equal(code, 143, stderr);
      assert.match(stderr, /^Stopped by SIGTERM: no job is left unfinished$/m);
      const left = await status(server.url);
      assert.equal(left.active, 0);
      assert.ok(left.waiting! > 0, JSON.stringify(left));
      const second = worker("--idle", "2");
      const ended = await producer.ended;
      assert.equal(ended.code, 0, ended.stderr);
      assert.equal((await second.ended).code, 0);
      assert.equal((await checkOutputs(out)).length, 60);
    }),
);

Deno.test(
  { name: "far worker gives its job back at once on Ctrl-C", ignore },
  () =>
    stage(async ({ server, results, batch, worker }) => {
      const first = worker();
      const producer = batch(JOBS(300)); // more than can be done before the signals arrive
      await until("a job is done", () => lineCount(results) >= 1);
      first.child.kill("SIGINT");
      const given = await first.ended;
      assert.equal(given.code, 130);
      assert.match(given.stderr, /^Stopped by SIGINT: (\d+ unfinished jobs? go|no job is left)/m);
      const left = await status(server.url);
      assert.equal(left.active, 0, JSON.stringify(left));
      producer.child.kill("SIGINT");
      const { code, stderr } = await producer.ended;
      assert.equal(code, 130);
      assert.match(stderr, /jobs stay on the queue/);
    }),
);

Deno.test(
  { name: "far batch --detach leaves jobs that the same command collects later", ignore },
  () =>
    stage(async ({ out, batch, worker }) => {
      const detached = await batch(JOBS(3), "--detach").ended;
      assert.equal(detached.code, 0, detached.stderr);
      assert.match(detached.stdout, /0 of 3 jobs done .*, 3 are on the queue/);
      assert.equal((await worker("--idle", "1").ended).code, 0);
      const collected = await batch(JOBS(3)).ended;
      assert.equal(collected.code, 0, collected.stderr);
      assert.equal((await checkOutputs(out)).length, 6);
    }),
);

Deno.test(
  { name: "far batch collects equal jobs, and repeats those that the queue has lost", ignore },
  () =>
    stage(async ({ server, out, batch, worker }) => {
      // a .y4m does not record its job: both have the same bytes
      const twins = ["a", "b"].map((id) => ({ id, output: "{id}.y4m" }));
      const jobs = [...JOBS(2), ...twins];
      assert.equal((await batch(jobs, "--detach").ended).code, 0);
      assert.equal((await worker("--idle", "1").ended).code, 0);
      const link = await QueueLink.open({ url: server.url, queue: "far", note: () => {} });
      for (const { outputs } of await resultsOn(link)) {
        const lost = outputs.find(({ path }) => path === "v-1.safetensors");
        if (lost) await link.client.del(await link.client.keys(`far:blob:*${lost.sha256}`));
      }
      await link.close();
      worker();
      const { code, stderr } = await batch(jobs).ended;
      assert.equal(code, 0, stderr);
      const made = ["v-0.mp4", "v-0.safetensors", "v-1.mp4", "v-1.safetensors"];
      assert.deepEqual(await checkOutputs(out), ["a.y4m", "b.y4m", ...made]);
    }),
);

Deno.test(
  { name: "far batch does not collect an output that was altered on the queue", ignore },
  () =>
    stage(async ({ server, out, batch, worker }) => {
      const jobs = [TINY, { id: "v", output: "{id}.npz" }];
      assert.equal((await batch(jobs, "--detach").ended).code, 0);
      assert.equal((await worker("--idle", "1").ended).code, 0);
      const link = await QueueLink.open({ url: server.url, queue: "far", note: () => {} });
      for (const key of await link.client.keys("far:blob:*")) await link.client.set(key, "other");
      await link.close();
      const { code, stderr } = await batch(jobs).ended;
      assert.equal(code, 75, stderr); // it is taken off the queue: another run makes it anew
      assert.match(stderr, /job "v" failed: Cannot collect "v\.npz": it was altered/);
      assert.ok(!filesUnder(out).some((name) => name.endsWith(".npz")));
    }),
);

/** Answers of workers that nobody has collected. */
async function resultsOn(link: QueueLink): Promise<QueueResult[]> {
  const [identity] = (await link.models()).keys();
  return (await link.queue(identity!).getCompleted()).map(({ returnvalue }) => returnvalue);
}

Deno.test(
  { name: "far batch says in one line that the queue is full", ignore },
  () =>
    stage(async ({ server, batch }) => {
      const link = await QueueLink.open({ url: server.url, queue: "far", note: () => {} });
      await link.client.config("SET", "maxmemory", "1");
      await link.close();
      const { code, stderr } = await batch(JOBS(20)).ended;
      assert.equal(code, 75, stderr);
      assert.match(
        stderr,
        /error: The queue's server refused the request: OOM command not allowed/,
      );
      assert.ok(!/Uncaught|\n +at /.test(stderr), stderr);
    }),
);

Deno.test(
  { name: "far worker prints no passwords", ignore },
  () =>
    stage(async ({ server, batch, worker, out }) => {
      const nowhere = await startFar("batch", "status", "--redis", `${server.url}/99`).ended;
      assert.equal(nowhere.code, 2);
      assert.match(nowhere.stderr, /Cannot reach .*DB index is out of range/);
      const wrong = await startFar("worker", "--redis", server.url.replace("s3cret", "wr0ng"))
        .ended;
      assert.equal(wrong.code, 2);
      assert.ok(!wrong.stderr.includes("wr0ng"), wrong.stderr);
      assert.match(wrong.stderr, /Cannot reach redis:\/\/\*\*\*@127\.0\.0\.1/);
      const producer = batch(JOBS(1));
      const serving = worker();
      const { code, stderr } = await producer.ended;
      assert.equal(code, 0, stderr);
      serving.child.kill("SIGTERM");
      assert.ok(!(stderr + (await serving.ended).stderr).includes("s3cret"));
      assert.equal((await checkOutputs(out)).length, 2);
    }, { password: "s3cret" }),
);

Deno.test(
  {
    name: "far batch and far worker speak TLS with a server of one's own",
    ignore: ignore || !HAS_OPENSSL,
  },
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const tls = await makeCertificate(folder);
      await stage(async ({ server, batch, worker, out }) => {
        const stranger = await startFar("batch", "status", "--redis", server.url).ended;
        assert.equal(stranger.code, 75);
        assert.match(stranger.stderr, /certificate.*DENO_CERT/);
        assert.ok(!stranger.stderr.includes("p%40ss"), stranger.stderr);
        worker();
        const { code, stderr } = await batch(JOBS(2)).ended;
        assert.equal(code, 0, stderr);
        assert.equal((await checkOutputs(out)).length, 4);
      }, { tls, password: "p@ss/w:rd" });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

Deno.test({ name: "far worker says what is wrong with its settings", ignore }, async () => {
  const refused = async (args: string[], status: number, pattern: RegExp) => {
    const { code, stderr } = await startFar(...args).ended;
    assert.equal(code, status, stderr);
    assert.match(stderr, pattern);
  };
  await refused(["worker"], 2, /--redis URL, or set FAR_REDIS/);
  await refused(["worker", "--redis", "http://host"], 2, /must be redis:\/\//);
  await refused(["worker", "--redis", "redis://127.0.0.1:1"], 75, /Cannot reach .*ECONNREFUSED/);
  const nowhere = ["worker", "--redis", "redis://127.0.0.1:1"];
  await refused([...nowhere, "--gpu-batch", "x"], 2, /^error: Cannot use --gpu-batch x/m);
  await refused(["worker", "--redis", "redis://:a/b@c@host"], 2, /must be percent-encoded/);
  await refused(["batch", "status", "extra", "--redis", "redis://h"], 2, /takes no names/);
});
