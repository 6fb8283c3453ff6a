import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { run as runCommand } from "../../commands/batch/run.ts";
import { readJobs } from "../../batch/plan/batch_jobs.ts";
import type { BATCH_OPTIONS } from "../../batch/plan/options.ts";
import { UsageError } from "../../cli/errors.ts";
import type { Values } from "../../cli/option.ts";
import { recorder } from "../support/recorder.ts";
import { HEADER, MODEL, stage, THREE } from "./fake_batch.ts";

Deno.test("runBatch() reports every problem before anything runs", () =>
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

Deno.test("runBatch() reports every problem of a job", () =>
  stage(async ({ run }) => {
    const { error } = await run([
      { setps: 4, size: "33x32", context: "/none.mp4", noise: "/none.npz", actions: "left" },
      { steps: 0, context: "/none/%d.png", output: "a.mp5" },
      { size: "32x32" },
    ]);
    const expected = [
      /^There are 9 problems in /,
      /"setps" in jobs\.jsonl:1: /,
      /"context" in jobs\.jsonl:1: there is no file "\/none\.mp4"/,
      /"noise" in jobs\.jsonl:1: there is no file "\/none\.npz"/,
      /"size" in jobs\.jsonl:1: /,
      /"actions" in jobs\.jsonl:1: far-uncond takes none/,
      /"steps" in jobs\.jsonl:2: /,
      /"output" in jobs\.jsonl:2: .*"\.mp4"/,
      /"context" in jobs\.jsonl:2: there is no folder "\/none"/,
      /"frames" in jobs\.jsonl:3: it is missing/,
    ];
    for (const [i, line] of error!.message.split("\n").entries()) assert.match(line, expected[i]!);
    assert.equal(error!.message.split("\n").length, expected.length);
  }));

Deno.test("runBatch() reports files that cannot go through a queue before sending any", () =>
  stage(async ({ run }) => {
    const jobs = [HEADER, { output: "f-%d.png" }, { context: "tests/fixtures" }];
    const { error, ran } = await run(jobs, { redis: "redis://host" });
    assert.match(error!.message, /"output" in jobs\.jsonl:2: "f-%d\.png" cannot .*: use --shared/);
    assert.match(error!.message, /"context" in jobs\.jsonl:3: .* it is a folder: use --shared/);
    assert.deepEqual(ran, []);
  }));

Deno.test("runBatch() takes a list of actions per video, and a manifest with a byte order mark", () =>
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

/** Runs a manifest with exactly this text. @returns the ids of its jobs */
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

Deno.test("runBatch() checks the places of outputs and results before anything runs", () =>
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

Deno.test("far batch refuses options of a queue without a queue", async () => {
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
