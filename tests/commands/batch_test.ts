import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import {
  type BatchExecutor,
  parseGpuBatch,
  run as runCommand,
  runBatch,
} from "../../commands/batch.ts";
import { readJobs } from "../../commands/batch/batch_jobs.ts";
import { JOB_KEY, outputPath } from "../../commands/batch/identity.ts";
import type { Job } from "../../commands/batch/job.ts";
import type { BATCH_OPTIONS } from "../../commands/batch/options.ts";
import { digestFile } from "../../commands/batch/digest.ts";
import { readResults } from "../../commands/batch/results.ts";
import type { Outcome } from "../../commands/batch/supervisor.ts";
import { exitStatus, InterruptedError, UsageError } from "../../commands/errors.ts";
import type { Values } from "../../commands/option.ts";
import { OutputFile } from "../../media/output_file.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";
import { type Recorder, recorder } from "./recorder.ts";

const MODEL = `${import.meta.dirname}/../fixtures/goldens/far-uncond`;

/** Makes a small file with the job's hash in place of a video; names of jobs say what happens. */
class FakeExecutor implements BatchExecutor {
  readonly window = 4;
  readonly ran: string[] = [];
  /** Jobs in hand, and the most there were. */
  #now = 0;
  most = 0;
  ended: string | undefined;
  #stopped = Promise.withResolvers<never>();

  constructor(readonly folder: string, readonly failures: Record<string, Outcome | (() => void)>) {
    this.#stopped.promise.catch(() => {});
  }

  async submit(job: Job): Promise<Outcome> {
    const { id, outputs: names } = job.entry;
    this.ran.push(id);
    const failure = this.failures[id];
    if (typeof failure === "function") {
      failure();
      return await this.#stopped.promise;
    }
    if (failure) return failure;
    this.most = Math.max(this.most, ++this.#now);
    const outputs = [];
    for (const name of names) {
      const path = outputPath(this.folder, name);
      await Deno.mkdir(dirname(path), { recursive: true });
      await using file = await OutputFile.create(path);
      await writeSafetensors(file, [], { [JOB_KEY]: job.hash });
      await file.commit();
      outputs.push({ path: name, ...await digestFile(path) });
    }
    this.#now--;
    return { status: "done", seconds: 1, batch: 1, outputs };
  }

  close(): Promise<void> {
    this.ended = "closed";
    return Promise.resolve();
  }

  kill(reason: Error): Promise<void> {
    this.ended ??= reason.message;
    this.#stopped.reject(reason);
    return Promise.resolve();
  }
}

interface Ran {
  /** Jobs that were run, by id. */
  readonly ran: readonly string[];
  readonly error: Error | undefined;
  readonly terminal: Recorder;
  readonly ended: string | undefined;
  /** The most jobs that the executor had at once. */
  readonly most: number;
}

interface Stage {
  readonly out: string;
  run(
    lines: readonly unknown[],
    options?: Values<typeof BATCH_OPTIONS>,
    failures?: Record<string, Outcome | (() => void)>,
    signal?: AbortSignal,
  ): Promise<Ran>;
}

async function stage(body: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const out = join(folder, "out");
  const manifest = join(folder, "jobs.jsonl");
  const run: Stage["run"] = async (lines, options = {}, failures = {}, signal) => {
    await Deno.writeTextFile(manifest, lines.map((line) => JSON.stringify(line)).join("\n"));
    const terminal = recorder();
    const executor = new FakeExecutor(out, failures);
    const call = {
      operands: [manifest],
      options: { model: MODEL, outDir: out, ...options },
      terminal,
      signal: signal ?? new AbortController().signal,
    };
    let error: Error | undefined;
    try {
      await runBatch(manifest, call, () => executor);
    } catch (thrown) {
      error = thrown as Error;
    }
    const { ran, ended, most } = executor;
    return { ran, error, terminal, ended, most };
  };
  try {
    await body({ out, run });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Jobs of one frame whose output can carry a hash. */
const HEADER = { defaults: { frames: 1, steps: 1, size: "32x32", output: "{id}.safetensors" } };
const THREE = [HEADER, { id: "a" }, { id: "b", seed: 1 }, { id: "c", seed: 2 }];

const records = async (out: string) =>
  (await readResults(join(out, "results.jsonl"))).map(({ id, status }) => `${id} ${status}`);

function failed(message: string, temporary = false): Outcome {
  return { status: "failed", error: { message, temporary } };
}

Deno.test("runBatch() hands no more jobs over at once than the executor takes", () =>
  stage(async ({ run }) => {
    const { ran, most } = await run([HEADER, { id: "a", seed: { range: [0, 12] } }]);
    assert.equal(ran.length, 12);
    assert.equal(most, 4);
  }));

Deno.test("runBatch() runs each job once, records it, and then has nothing to do", () =>
  stage(async ({ out, run }) => {
    const first = await run(THREE);
    assert.equal(first.error, undefined);
    assert.deepEqual([...first.ran].sort(), ["a", "b", "c"]);
    assert.deepEqual((await records(out)).sort(), ["a done", "b done", "c done"]);
    assert.match(first.terminal.stdout, /^3 of 3 jobs done in [\d.]+ s\n$/);
    assert.equal(first.ended, "closed");
    const again = await run(THREE);
    assert.deepEqual(again.ran, []);
    assert.match(again.terminal.stdout, /0 of 3 jobs done .*, 3 were done before/);
    assert.equal((await records(out)).length, 3);
    const left = [...Deno.readDirSync(out)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["a.safetensors", "b.safetensors", "c.safetensors", "results.jsonl"]);
  }));

Deno.test("runBatch() does again what is missing, cut short or of other settings", () =>
  stage(async ({ out, run }) => {
    await run(THREE);
    await Deno.remove(join(out, "a.safetensors"));
    await Deno.truncate(join(out, "b.safetensors"), 5);
    assert.deepEqual([...(await run(THREE)).ran].sort(), ["a", "b"]);
    const changed = [HEADER, { id: "a" }, { id: "b", seed: 9 }, { id: "c", seed: 2 }];
    assert.deepEqual((await run(changed)).ran, ["b"]);
    assert.deepEqual((await run(changed, { force: true })).ran.length, 3);
  }));

Deno.test("runBatch() does not take another job's file of the same name and size for its own", () =>
  stage(async ({ run }) => {
    const one = [HEADER, { id: "a", seed: 1 }];
    await run(one);
    assert.deepEqual((await run([HEADER, { id: "a", seed: 2 }])).ran, ["a"]);
    assert.deepEqual((await run(one)).ran, ["a"]);
    assert.deepEqual((await run(one)).ran, []);
  }));

Deno.test("runBatch() knows its outputs by the hash in them when the results are lost", () =>
  stage(async ({ out, run }) => {
    await run(THREE);
    await Deno.remove(join(out, "results.jsonl"));
    await Deno.writeTextFile(join(out, "c.safetensors"), "damaged");
    assert.deepEqual((await run(THREE)).ran, ["c"]);
    const found = await readResults(join(out, "results.jsonl"));
    assert.deepEqual(found.map(({ id, found }) => [id, found ?? false]).sort(), [
      ["a", true],
      ["b", true],
      ["c", false],
    ]);
    assert.ok(found.every(({ outputs }) => outputs[0]!.bytes > 0 && outputs[0]!.sha256 !== ""));
  }));

Deno.test("runBatch() goes on after a failure, and leaves it alone until told", () =>
  stage(async ({ out, run }) => {
    const bad = { b: failed("Cannot use it") };
    const first = await run(THREE, {}, bad);
    assert.equal(first.error?.name, "JobsFailedError");
    assert.equal(exitStatus(first.error), 1);
    assert.match(first.error!.message, /^1 job has failed: see ".*results\.jsonl"$/);
    assert.deepEqual((await records(out)).sort(), ["a done", "b failed", "c done"]);
    assert.deepEqual(first.terminal.stderr, ['job "b" failed: Cannot use it']);
    const again = await run(THREE);
    assert.deepEqual(again.ran, []);
    assert.equal(exitStatus(again.error), 1);
    assert.match(again.error!.message, /in an earlier run; --retry-failed/);
    const retried = await run(THREE, { retryFailed: true });
    assert.deepEqual(retried.ran, ["b"]);
    assert.equal(retried.error, undefined);
  }));

Deno.test("runBatch() tries temporary failures again by itself, and says so by its status", () =>
  stage(async ({ run }) => {
    const first = await run(THREE, {}, { b: failed("out of memory", true) });
    assert.equal(exitStatus(first.error), 75);
    const mixed = await run(THREE, { force: true }, {
      b: failed("out of memory", true),
      c: failed("bad"),
    });
    assert.equal(exitStatus(mixed.error), 1);
    assert.deepEqual((await run(THREE)).ran, ["b"]);
  }));

Deno.test("runBatch() stops at the first failure with --fail-fast", () =>
  stage(async ({ out, run }) => {
    const many = [HEADER, ...Array.from({ length: 30 }, (_, i) => ({ id: `j${i}`, seed: i }))];
    const { ran, error, ended } = await run(many, { failFast: true }, { j0: failed("bad") });
    assert.match(error!.message, /Stopped at the first failure, job "j0"/);
    assert.ok(ran.length < 30, `${ran.length} jobs were run`);
    assert.match(ended!, /Stopped/);
    assert.ok((await records(out)).includes("j0 failed"));
  }));

Deno.test("runBatch() tells all that is wrong before anything runs", () =>
  stage(async ({ out, run }) => {
    const { ran, error } = await run([
      { defaults: { frames: 1, size: "32x32" } },
      { seed: 1, actions: "forward" },
      { setps: 4 },
      { size: "33x32" },
      { context: "/none/clip.mp4" },
      { model: "/none" },
      { label: "3" },
      { seed: 3 },
    ]);
    assert.ok(error instanceof UsageError);
    assert.deepEqual(ran, []);
    const expected = [
      /^There are 6 problems in .*nothing was run:\n/,
      /"actions" in jobs\.jsonl:2: far-uncond takes none/,
      /"setps" in jobs\.jsonl:3: .*did you mean "steps"/,
      /"size" in jobs\.jsonl:4: both sides must be multiples of/,
      /"context" in jobs\.jsonl:5: there is no file "\/none\/clip\.mp4"/,
      /"model" in jobs\.jsonl:6: /,
      /"label" in jobs\.jsonl:7: far-uncond takes none/,
    ];
    for (const pattern of expected) assert.match(error.message, pattern);
    assert.equal(error.message.split("\n").length, expected.length);
    assert.throws(() => Deno.statSync(out), Deno.errors.NotFound);
  }));

Deno.test("runBatch() tells all that is wrong with one job", () =>
  stage(async ({ run }) => {
    const { error } = await run([
      { setps: 4, size: "33x32", context: "/none.mp4", noise: "/none.npz", actions: "left" },
      { steps: 0, context: "/none/%d.png", output: "a.mp5" },
      { size: "32x32" },
    ]);
    const expected = [
      /^There are 9 problems in /,
      /"setps" in jobs\.jsonl:1: /,
      /"size" in jobs\.jsonl:1: /,
      /"context" in jobs\.jsonl:1: there is no file "\/none\.mp4"/,
      /"noise" in jobs\.jsonl:1: there is no file "\/none\.npz"/,
      /"actions" in jobs\.jsonl:1: far-uncond takes none/,
      /"steps" in jobs\.jsonl:2: /,
      /"output" in jobs\.jsonl:2: .*"\.mp4"/,
      /"context" in jobs\.jsonl:2: there is no folder "\/none"/,
      /"frames" in jobs\.jsonl:3: it is missing/,
    ];
    for (const [i, line] of error!.message.split("\n").entries()) assert.match(line, expected[i]!);
    assert.equal(error!.message.split("\n").length, expected.length);
  }));

Deno.test("runBatch() tells what cannot go through a queue, before anything does", () =>
  stage(async ({ run }) => {
    const jobs = [HEADER, { output: "f-%d.png" }, { context: "tests/fixtures" }];
    const { error, ran } = await run(jobs, { redis: "redis://host" });
    assert.match(error!.message, /"output" in jobs\.jsonl:2: "f-%d\.png" cannot .*: give --shared/);
    assert.match(error!.message, /"context" in jobs\.jsonl:3: .* it is a folder: give --shared/);
    assert.deepEqual(ran, []);
  }));

Deno.test("runBatch() takes a list of actions for each video, and a manifest with a mark", () =>
  stage(async ({ out, run }) => {
    await Deno.mkdir(out);
    const lists = join(dirname(out), "lists.json");
    await Deno.writeTextFile(lists, '[["left"], ["right"]]');
    const jobs = { frames: 1, steps: 1, context: undefined, output: "{id}.safetensors" };
    const two = await run([{ ...jobs, id: "two", actions: lists }], { model: "demo" });
    assert.equal(two.error, undefined);
    const three = await run([{ ...jobs, actions: lists, count: 3 }], { model: "demo" });
    assert.match(three.error!.message, /"count" in jobs\.jsonl:1: 2 lists of actions for 3 videos/);
    const marked = await readJobsOf(`\ufeff${JSON.stringify(HEADER)}\r\n{"id": "a"}\r\n`);
    assert.deepEqual(marked, ["a"]);
  }));

/** Ids of a manifest that is written just so. */
async function readJobsOf(text: string): Promise<string[]> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, text);
  try {
    const common = [{ fields: { model: MODEL }, where: "here" }];
    return (await readJobs(path, { common })).map(({ entry }) => entry.id);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("runBatch() looks at the places for outputs and results before anything runs", () =>
  stage(async ({ out, run }) => {
    const refused = async (options: Values<typeof BATCH_OPTIONS>, pattern: RegExp) => {
      const { error, ran } = await run(THREE, options);
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, pattern);
      assert.deepEqual(ran, []);
    };
    await refused({ results: "/dev/full" }, /it is not a regular file/);
    await refused({ results: join(out, "none/r.jsonl") }, /there is no such folder/);
    await refused({ outDir: import.meta.filename! }, /--out-dir .*: it is not a folder/);
  }));

Deno.test("far batch refuses what only a queue can do where there is none", async () => {
  for (const name of ["detach", "shared"]) {
    const call = {
      operands: ["jobs.jsonl"],
      options: { outDir: "out", [name]: true },
      terminal: recorder(),
      signal: new AbortController().signal,
    };
    await assert.rejects(runCommand(call), new RegExp(`--${name} without a queue: give --redis`));
  }
});

Deno.test("runBatch() checks actions, names and lengths against the model", () =>
  stage(async ({ run }) => {
    const { error } = await run([
      { actions: "forward*4,fly" },
      { actions: "forward*4", frames: 3, contextFrames: 0 },
      { frames: 3, contextFrames: 0, actions: "left*3" },
    ], { model: "demo" });
    assert.match(error!.message, /There are 2 problems/);
    assert.match(
      error!.message,
      /"actions" in jobs\.jsonl:1: action "fly": actions are forward \(0\)/,
    );
    assert.match(error!.message, /"actions" in jobs\.jsonl:2: .*3 generated frames: give 3/);
  }));

Deno.test("runBatch() with --shard runs a part; the parts are the whole", () =>
  stage(async ({ out, run }) => {
    const many = [HEADER, { id: "j", seed: { range: [0, 12] } }];
    const parts: Ran[] = [];
    for (const i of [0, 1, 2]) parts.push(await run(many, { shard: `${i}/3` }));
    const ran = parts.flatMap((part) => [...part.ran]);
    assert.equal(ran.length, 12);
    assert.equal(new Set(ran).size, 12);
    assert.ok(parts.every((part) => part.ran.length > 0));
    assert.deepEqual((await run(many)).ran, []); // it reads what the shards have recorded
    assert.ok([...Deno.readDirSync(out)].some(({ name }) => name === "results.2-of-3.jsonl"));
  }));

Deno.test("runBatch() keeps a second batch out of its folder", () =>
  stage(async ({ run }) => {
    let second: Promise<Ran> | undefined;
    const abort = new AbortController();
    const first = run(THREE, {}, {
      a: () => {
        second = run(THREE);
        second.then(() => abort.abort(new InterruptedError("SIGINT")));
      },
    }, abort.signal);
    await first;
    const { error } = await second!;
    assert.match(error!.message, /another batch is writing to it/);
    assert.equal((await run(THREE)).error, undefined);
  }));

Deno.test("runBatch() ends with the signal's status, cleaned up, and is taken up again", () =>
  stage(async ({ out, run }) => {
    const abort = new AbortController();
    const partial = join(out, `.c.safetensors.${crypto.randomUUID()}.partial`);
    const { error, ended } = await run(THREE, {}, {
      c: () => {
        Deno.writeTextFileSync(partial, "half");
        abort.abort(new InterruptedError("SIGINT"));
      },
    }, abort.signal);
    assert.equal(exitStatus(error), 130);
    assert.match(error!.message, /^Stopped by SIGINT: 2 jobs are done, the same command does/);
    assert.match(ended!, /SIGINT/);
    const names = [...Deno.readDirSync(out)].map(({ name }) => name);
    assert.ok(!names.some((name) => name.endsWith(".partial")), names.join(" "));
    const { ran } = await run(THREE);
    assert.ok(ran.includes("c"));
    assert.deepEqual((await records(out)).sort(), ["a done", "b done", "c done"]);
  }));

Deno.test("runBatch() cleans what a process that was killed has left", () =>
  stage(async ({ out, run }) => {
    await Deno.mkdir(out);
    const uuid = crypto.randomUUID();
    await Deno.writeTextFile(join(out, `.b.safetensors.${uuid}.partial`), "half");
    await Deno.writeTextFile(join(out, `.other.mp4.${uuid}.partial`), "somebody's");
    await run(THREE);
    const partials = [...Deno.readDirSync(out)].filter(({ name }) => name.endsWith(".partial"));
    assert.deepEqual(partials.map(({ name }) => name), [`.other.mp4.${uuid}.partial`]);
  }));

Deno.test("runBatch() leaves alone what workers may be writing in a shared folder", () =>
  stage(async ({ out, run }) => {
    await Deno.mkdir(out);
    const partial = join(out, `.b.safetensors.${crypto.randomUUID()}.partial`);
    await Deno.writeTextFile(partial, "a worker is at it");
    await run(THREE, { shared: true, redis: "redis://host" });
    assert.equal(await Deno.readTextFile(partial), "a worker is at it");
  }));

Deno.test("runBatch() stops where the disk is full, and blames no job", () =>
  stage(async ({ out, run }) => {
    const full = failed('Cannot write "c": No space left on device (os error 28)', true);
    const { error } = await run(THREE, {}, { c: full });
    assert.equal(error?.name, "BatchStoppedError");
    assert.equal(exitStatus(error), 1);
    assert.match(error!.message, /No space left.*run the same command again/);
    assert.ok(!(await records(out)).some((text) => text.startsWith("c")));
    assert.ok((await run(THREE)).ran.includes("c"));
  }));

Deno.test("runBatch() stops where its folder was removed, and blames no job", () =>
  stage(async ({ out, run }) => {
    const remove = {
      status: "failed",
      get error() {
        Deno.removeSync(out, { recursive: true });
        return { message: 'Cannot write "c": there is no folder "out"', temporary: false };
      },
    } as const;
    const { error } = await run([HEADER, { id: "c" }], {}, { c: remove });
    assert.equal(error?.name, "BatchStoppedError");
    assert.match(error!.message, /it was removed/);
    assert.deepEqual((await run(THREE)).ran.length, 3);
  }));

Deno.test("runBatch() --dry-run says what would be done and writes nothing", () =>
  stage(async ({ out, run }) => {
    const { ran, terminal } = await run(THREE, { dryRun: true });
    assert.deepEqual(ran, []);
    assert.match(terminal.stdout, /jobs +3, of model .*\nto do +3\ndone +0\nfailed +0\n/);
    assert.throws(() => Deno.statSync(out), Deno.errors.NotFound);
    await run(THREE);
    const json = await run(THREE, { dryRun: true, json: true, force: false });
    const plans = json.terminal.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(plans.map(({ id, would }) => `${id} ${would}`), [
      "a done",
      "b done",
      "c done",
    ]);
    assert.match(plans[0].hash, /^[0-9a-f]{64}$/);
  }));

Deno.test("runBatch() --json prints a summary, --progress json counts jobs", () =>
  stage(async ({ out, run }) => {
    const { terminal } = await run(THREE, { json: true, progress: "json" }, { b: failed("bad") });
    const summary = JSON.parse(terminal.stdout);
    assert.deepEqual({ ...summary, seconds: 0 }, {
      jobs: 3,
      done: 2,
      skipped: 0,
      failed: 1,
      failedBefore: 0,
      queued: 0,
      seconds: 0,
      results: join(out, "results.jsonl"),
    });
    const events = terminal.stderr.filter((line) => line.startsWith("{")).map((l) => JSON.parse(l));
    assert.deepEqual(events.map(({ done }) => done), [0, 1, 2, 3, 3]);
    assert.equal(events[1].unit, "jobs");
  }));

Deno.test("runBatch() reads --defaults, and needs an output folder", () =>
  stage(async ({ out, run }) => {
    const defaults = join(dirname(out), "defaults.json");
    await Deno.writeTextFile(defaults, JSON.stringify(HEADER.defaults));
    assert.deepEqual((await run([{ id: "a" }], { defaults })).ran, ["a"]);
    await Deno.writeTextFile(defaults, "[]");
    assert.match((await run([{ id: "a" }], { defaults })).error!.message, /one JSON object/);
    const missing = await run([{ id: "a" }], { defaults: "/none.json" });
    assert.match(missing.error!.message, /there is no such file/);
    const homeless = await run([{ id: "a" }], { outDir: undefined });
    assert.match(homeless.error!.message, /give --out-dir DIR/);
  }));

Deno.test("parseGpuBatch() takes auto or a number", () => {
  assert.equal(parseGpuBatch(), "auto");
  assert.equal(parseGpuBatch("auto"), "auto");
  assert.equal(parseGpuBatch("16"), 16);
  for (const text of ["0", "-1", "1.5", "many", ""]) assert.throws(() => parseGpuBatch(text));
});
