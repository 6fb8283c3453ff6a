/**
 * Shares jobs among three workers that are killed at random moments and replaced, restarts Redis
 * once in the middle, and counts the results of every job: there must be exactly one, complete.
 *
 *     deno run -A tools/soak_queue.ts [JOBS] [SEED]
 *
 * Linux with redis-server only. 200 jobs take some minutes on two cores.
 */
import { join } from "node:path";
import {
  checkOutputs,
  childrenOf,
  filesUnder,
  kill,
  lineCount,
  startFar,
  TINY,
} from "../tests/batch/batch_process.ts";
import { RedisServer } from "../tests/batch/redis_server.ts";
import { readResults } from "../batch/results.ts";
import { randomOf } from "./random.ts";

const [jobs = 200, seed = 1] = Deno.args.map(Number);
const WORKERS = 3;
/** Longest life of a worker; its jobs go to the others when their locks expire. */
const LONGEST_LIFE_MS = 15_000;
const LOCK_SECONDS = "4";

const random = randomOf(seed);

await using server = await RedisServer.start();
const folder = await Deno.makeTempDir();
const out = join(folder, "out");
const results = join(out, "results.jsonl");
const manifest = join(folder, "jobs.jsonl");
const lines = [
  TINY,
  { id: "j", seed: { range: [0, jobs] }, output: ["{id}.mp4", "{id}.safetensors"] },
];
await Deno.writeTextFile(manifest, lines.map((line) => JSON.stringify(line)).join("\n"));

const tally = { kills: 0, withGpu: 0, restarts: 0 };
let over = false;

/** Keeps one worker running: a dead one is replaced. */
async function place(): Promise<void> {
  while (!over) {
    const { child, ended } = startFar("worker", "--redis", server.url, "--lock", LOCK_SECONDS);
    const life = 3000 + random() * LONGEST_LIFE_MS;
    for (const end = performance.now() + life; !over && performance.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const gpu = childrenOf(child.pid);
    const both = random() < 0.5;
    kill(child.pid);
    if (both) gpu.forEach(kill);
    if (!over) {
      tally.kills++;
      if (both) tally.withGpu++;
    }
    await ended;
  }
}

async function restartOnce(): Promise<void> {
  while (!over && lineCount(results) < jobs / 2) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  if (over) return;
  await server.restart();
  tally.restarts++;
}

const start = performance.now();
const places = Array.from({ length: WORKERS }, place);
const restarting = restartOnce();
const producer = startFar("batch", manifest, "--out-dir", out, "--redis", server.url);
const ticker = setInterval(
  () => console.error(`${lineCount(results)} jobs, ${tally.kills} kills`),
  10_000,
);
const { code, stdout, stderr } = await producer.ended;
clearInterval(ticker);
over = true;
await Promise.all([...places, restarting]);
const records = await readResults(results);
const ids = new Set(records.filter(({ status }) => status === "done").map(({ id }) => id));
const made = await checkOutputs(out);
const left = filesUnder(out).filter((name) => name.endsWith(".partial")).length;
const seconds = Math.round((performance.now() - start) / 1000);
const right = code === 0 && records.length === jobs && ids.size === jobs &&
  made.length === 2 * jobs && left === 0;
if (!right) console.error(stderr);
console.error(stdout.trim());
console.error(
  JSON.stringify({
    ...tally,
    code,
    records: records.length,
    jobs: ids.size,
    outputs: made.length,
    left,
    seconds,
  }),
);
await Deno.remove(folder, { recursive: true });
if (!right) Deno.exitCode = 1;
