import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { parseGpuBatch } from "../../../batch/plan/options.ts";
import { readResults } from "../../../batch/results.ts";
import { exitStatus, InterruptedError } from "../../../cli/errors.ts";
import { failed, HEADER, type Ran, records, stage, THREE } from "../../batch/fake_batch.ts";

Deno.test("runBatch() submits no more jobs at once than the executor takes", () =>
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
    const outputs = ["a.safetensors", "b.safetensors", "c.safetensors"];
    assert.deepEqual(left, [...outputs, "index.html", "results.jsonl"]);
  }));

Deno.test("runBatch() runs jobs again whose outputs are missing, cut short or of other settings", () =>
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

Deno.test("runBatch() recognises its outputs by their hash when the results are lost", () =>
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

Deno.test("runBatch() continues after a failure, and retries it only when told", () =>
  stage(async ({ out, run }) => {
    const bad = { b: failed("Cannot use it") };
    const first = await run(THREE, {}, bad);
    assert.equal(first.error?.name, "JobsFailedError");
    assert.equal(exitStatus(first.error), 1);
    assert.match(first.error!.message, /^1 job has failed: see ".*results\.jsonl"$/);
    assert.deepEqual((await records(out)).sort(), ["a done", "b failed", "c done"]);
    assert.match(first.terminal.stderr[0]!, /^warning: jobs\.jsonl:2 and 2 more jobs: /);
    assert.deepEqual(first.terminal.stderr.slice(1), [
      "3 jobs: starting",
      'job "b" failed: Cannot use it',
    ]);
    const again = await run(THREE);
    assert.deepEqual(again.ran, []);
    assert.deepEqual(again.terminal.stderr.slice(1), ["3 jobs, all ended in an earlier run"]);
    assert.equal(exitStatus(again.error), 1);
    assert.match(again.error!.message, /in an earlier run; use --retry-failed/);
    const retried = await run(THREE, { retryFailed: true });
    assert.deepEqual(retried.ran, ["b"]);
    assert.equal(retried.error, undefined);
  }));

Deno.test("runBatch() retries temporary failures by itself, and its status says so", () =>
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

Deno.test("runBatch() with --shard runs a part; the parts make up the whole", () =>
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
    assert.match(error!.message, /another batch is writing there/);
    assert.equal((await run(THREE)).error, undefined);
  }));

Deno.test("runBatch() stopped by a signal cleans up, has its status, and can continue", () =>
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
    assert.match(error!.message, /^Stopped by SIGINT: 2 jobs are done, run the same command again/);
    assert.match(ended!, /SIGINT/);
    const names = [...Deno.readDirSync(out)].map(({ name }) => name);
    assert.ok(!names.some((name) => name.endsWith(".partial")), names.join(" "));
    const { ran } = await run(THREE);
    assert.ok(ran.includes("c"));
    assert.deepEqual((await records(out)).sort(), ["a done", "b done", "c done"]);
  }));

Deno.test("runBatch() removes leftovers of a killed process", () =>
  stage(async ({ out, run }) => {
    await Deno.mkdir(out);
    const uuid = crypto.randomUUID();
    await Deno.writeTextFile(join(out, `.b.safetensors.${uuid}.partial`), "half");
    await Deno.writeTextFile(join(out, `.other.mp4.${uuid}.partial`), "somebody's");
    await run(THREE);
    const partials = [...Deno.readDirSync(out)].filter(({ name }) => name.endsWith(".partial"));
    assert.deepEqual(partials.map(({ name }) => name), [`.other.mp4.${uuid}.partial`]);
  }));

Deno.test("runBatch() leaves files alone that workers may be writing in a shared folder", () =>
  stage(async ({ out, run }) => {
    await Deno.mkdir(out);
    const partial = join(out, `.b.safetensors.${crypto.randomUUID()}.partial`);
    await Deno.writeTextFile(partial, "a worker is at it");
    await run(THREE, { shared: true, redis: "redis://host" });
    assert.equal(await Deno.readTextFile(partial), "a worker is at it");
  }));

Deno.test("runBatch() stops when the disk is full, and blames no job", () =>
  stage(async ({ out, run }) => {
    const full = failed('Cannot write "c": No space left on device (os error 28)', true);
    const { error } = await run(THREE, {}, { c: full });
    assert.equal(error?.name, "BatchStoppedError");
    assert.equal(exitStatus(error), 1);
    assert.match(error!.message, /No space left.*run the same command again/);
    assert.ok(!(await records(out)).some((text) => text.startsWith("c")));
    assert.ok((await run(THREE)).ran.includes("c"));
  }));

Deno.test("runBatch() stops when its folder was removed, and blames no job", () =>
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
    assert.match(terminal.stdout, /jobs +3, model .*\nto do +3\ndone +0\nfailed +0\n/);
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
