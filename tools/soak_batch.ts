/**
 * Kills a local batch with SIGKILL at random moments, again and again, and checks after each kill
 * the files under final names; at the end the batch must finish by itself.
 *
 *     deno run -A tools/soak_batch.ts [KILLS] [SEED]
 *
 * Linux only. 100 kills take some minutes on two cores.
 */
import { join } from "node:path";
import {
  checkOutputs,
  childrenOf,
  filesUnder,
  kill,
  startFar,
  TINY,
} from "../tests/batch/batch_process.ts";
import { readResults } from "../batch/results.ts";
import { randomOf } from "./random.ts";

const [kills = 100, seed = 1] = Deno.args.map(Number);
const JOBS = 60;
/** Long enough for loading and some jobs. */
const LONGEST_MS = 4000;

const random = randomOf(seed);

const folder = await Deno.makeTempDir();
const tally = { kills: 0, alone: 0, gpuOnly: 0, finishedRuns: 0, corrupt: 0, checked: 0 };

function manifest(round: number): string {
  const path = join(folder, `jobs-${round}.jsonl`);
  const half = { range: [0, JOBS / 2] };
  const lines = [
    TINY,
    { id: "v", seed: half, output: ["{id}.mp4", "deep/{id}.npz"] },
    { id: "t", seed: half, output: "{id}.safetensors" },
  ];
  Deno.writeTextFileSync(path, lines.map((line) => JSON.stringify(line)).join("\n"));
  return path;
}

/** What is under final names now; anything that cannot be read is counted and kept. */
async function inspect(out: string): Promise<number> {
  try {
    const names = await checkOutputs(out);
    tally.checked += names.length;
    return names.length;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0; // before the folder was made
    tally.corrupt++;
    console.error(`${out}: ${(error as Error).message}`);
    return -1;
  }
}

async function killOnce(out: string, jobs: string): Promise<void> {
  const { child, ended } = startFar("batch", jobs, "--out-dir", out);
  const timer = new Promise((resolve) => setTimeout(resolve, random() * LONGEST_MS));
  const early = await Promise.race([ended.then(() => true), timer.then(() => false)]);
  if (early) {
    tally.finishedRuns++;
    return;
  }
  const gpu = childrenOf(child.pid);
  const way = random();
  if (way < 0.2) tally.gpuOnly++;
  else kill(child.pid);
  if (way < 0.6) gpu.forEach(kill);
  else tally.alone++;
  tally.kills++;
  if (way < 0.2) {
    // the batch goes on with another process; it is ended in the midst of that
    await new Promise((resolve) => setTimeout(resolve, random() * 1500));
    kill(child.pid);
    childrenOf(child.pid).forEach(kill);
  }
  await ended;
}

const start = performance.now();
let round = 0;
while (tally.kills < kills) {
  const out = join(folder, `out-${round}`);
  const jobs = manifest(round);
  for (let made = 0; tally.kills < kills && made < 1.5 * JOBS;) {
    await killOnce(out, jobs);
    made = Math.max(made, await inspect(out));
    console.error(`${tally.kills} kills, ${made} outputs in round ${round}`);
  }
  const { code, stderr } = await startFar("batch", jobs, "--out-dir", out).ended;
  const made = await inspect(out);
  const left = filesUnder(out).filter((name) => name.endsWith(".partial")).length;
  const done = new Set(
    (await readResults(join(out, "results.jsonl"))).filter(({ status }) => status === "done")
      .map(({ id }) => id),
  );
  console.error(`round ${round}: status ${code}, ${made} outputs, ${done.size} jobs, ${left} left`);
  if (code !== 0 || made !== 1.5 * JOBS || done.size !== JOBS || left > 0) {
    console.error(stderr);
    tally.corrupt++;
  }
  round++;
}
await Deno.remove(folder, { recursive: true });
const seconds = Math.round((performance.now() - start) / 1000);
console.error(JSON.stringify({ ...tally, rounds: round, seconds }));
Deno.exit(tally.corrupt === 0 ? 0 : 1);
