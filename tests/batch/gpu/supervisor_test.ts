import assert from "node:assert/strict";
import { Supervisor } from "../../../batch/gpu/supervisor.ts";
import type { Outcome, WireJob } from "../../../batch/gpu/protocol.ts";
import { until } from "../batch_process.ts";
import { GpuError } from "../../../gpu/errors.ts";

const FAKE = `${import.meta.dirname}/../fake_gpu.ts`;

interface Stage {
  readonly supervisor: Supervisor;
  readonly notes: string[];
  readonly said: string[];
  readonly log: string;
  /** Lines of the log that begin with a word. */
  lines(word: string): string[];
  /** Submits jobs whose names decide what happens to them. */
  run(...hashes: string[]): Promise<string[]>;
}

/** A supervisor of fake GPU processes. */
async function stage(
  body: (stage: Stage) => Promise<void>,
  options: { gpuBatch?: number; hangAfter?: number; gather?: number; log?: string } = {},
): Promise<void> {
  const log = await Deno.makeTempFile();
  await Deno.writeTextFile(log, options.log ?? "");
  const notes: string[] = [];
  const said: string[] = [];
  const supervisor = new Supervisor({
    command: { program: Deno.execPath(), args: ["run", "-A", "--no-config", FAKE, log] },
    gpuBatch: options.gpuBatch ?? 1,
    hangAfter: options.hangAfter ?? 60,
    gather: options.gather,
    note: (line) => notes.push(line),
    said: (line) => said.push(line),
  });
  const lines = (word: string) =>
    Deno.readTextFileSync(log).split("\n").filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  const run = (...hashes: string[]) =>
    Promise.all(hashes.map(async (hash) => tell(await supervisor.submit(job(hash)))));
  try {
    await body({ supervisor, notes, said, log, lines, run });
  } finally {
    await supervisor.kill(new Error("the test is over"));
    await Deno.remove(log);
  }
}

function job(hash: string): WireJob {
  return { hash, where: "jobs:1", options: {}, model: "m", folder: "out", outputs: [] };
}

function tell(outcome: Outcome): string {
  return outcome.status === "failed" ? `failed: ${outcome.error.message}` : outcome.status;
}

Deno.test("Supervisor runs all jobs in one process, then ends it", () =>
  stage(async ({ supervisor, run, lines, said, notes }) => {
    assert.deepEqual(await supervisor.start(), { name: "fake", cpu: false });
    assert.deepEqual(await run("a", "b", "bad:0"), ["done", "done", "failed: Cannot use it"]);
    await supervisor.close();
    assert.equal(lines("start").length, 1);
    assert.deepEqual(said, ["a library says hello"]);
    assert.deepEqual(notes, []);
  }));

for (const kind of ["crash", "panic", "lost", "liar"]) {
  Deno.test(`Supervisor starts another process after a ${kind}, and loses nothing`, () =>
    stage(async ({ run, lines, notes }) => {
      const results = await run("a", `${kind}:1`, "b");
      assert.deepEqual(results, ["done", "done", "done"]);
      assert.equal(lines("start").length, 2);
      assert.deepEqual(lines("job").filter((hash) => hash === "a"), ["a"]);
      assert.equal(notes.length, 1);
      if (kind === "panic") assert.match(notes[0]!, /status 1: .*device lost.*starting another/);
      if (kind === "lost") assert.match(notes[0]!, /The GPU was lost/);
    }));
}

for (const jobs of [["stuck", "a", "b"], ["a", "stuck", "b"], ["stuck", "stuck:9", "a"]]) {
  Deno.test(`Supervisor replaces a process that cannot stop a thread: ${jobs.join()}`, () =>
    stage(async ({ run, lines, notes, supervisor }) => {
      const results = await run(...jobs);
      assert.deepEqual(
        results,
        jobs.map((name) => name.startsWith("stuck") ? "failed: it never ends" : "done"),
      );
      // No loss is counted, so the next process works as this one did.
      const stuck = jobs.filter((name) => name.startsWith("stuck")).length;
      assert.deepEqual(lines("start"), new Array(1 + stuck).fill("{}"));
      assert.equal(notes.length, stuck);
      assert.match(notes[0]!, /it never ends; the GPU process ends, and another starts/);
      await supervisor.close();
    }));
}

Deno.test("Supervisor closes while its process retires", () =>
  stage(async ({ run, supervisor, lines }) => {
    await run("stuck");
    await supervisor.close();
    assert.equal(lines("start").length, 1);
  }));

Deno.test("Supervisor takes jobs while there is no process", () =>
  stage(async ({ run, notes }) => {
    const first = run("crash:1");
    await until("the first process has ended", () => notes.length === 1);
    assert.deepEqual(await run("b", "c"), ["done", "done"]);
    assert.deepEqual(await first, ["done"]);
    assert.equal(notes.length, 1);
  }));

Deno.test("Supervisor ends a process that hangs, and starts another", () =>
  stage(async ({ run, notes }) => {
    assert.deepEqual(await run("hang:1", "a"), ["done", "done"]);
    assert.match(notes[0]!, /the GPU process was silent for 8 s; starting another/);
  }, { hangAfter: 8 })); // longer than a process takes to start on a busy machine

Deno.test("Supervisor fails the job that three processes did not survive, and no other", () =>
  stage(async ({ run, lines }) => {
    const hashes = ["a", "b", "crash:9", "c"];
    const results = await run(...hashes);
    assert.deepEqual(results.filter((text) => text === "done").length, 3);
    assert.match(results[2]!, /The GPU process died 3 times on this job: .*SIGKILL/);
    assert.equal(lines("job").filter((hash) => hash === "crash:9").length, 3);
    const submits = lines("start").map((text) => JSON.parse(text).dispatchesPerSubmit);
    assert.deepEqual(submits.slice(0, 3), [undefined, 128, 64]);
    // together, then by halves, then alone
    assert.deepEqual(lines("run")[0], "4 by 4");
    assert.ok(lines("run").some((text) => text.endsWith("by 2")));
    assert.ok(lines("run").at(-1)!.endsWith("by 1"));
  }, { gpuBatch: 4, gather: 300 }));

Deno.test("Supervisor leaves nothing of a job that was lost for good", () =>
  stage(async ({ supervisor }) => {
    const folder = await Deno.makeTempDir();
    try {
      const lost = { ...job("spill:9"), folder, outputs: ["a.mp4"] };
      assert.match(tell(await supervisor.submit(lost)), /died 3 times/);
      await supervisor.close();
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }));

Deno.test("Supervisor gives up when no process lives long enough to take a job", () =>
  stage(async ({ supervisor, lines }) => {
    await assert.rejects(supervisor.submit(job("a")), (error: Error) => {
      assert.ok(error instanceof GpuError && error.temporary);
      assert.match(error.message, /Cannot run on this GPU: the GPU process ended with status 3/);
      return true;
    });
    assert.equal(lines("start").length, 3);
    await assert.rejects(supervisor.submit(job("b")), GpuError);
  }, { log: "break at start\n" }));

Deno.test("Supervisor rejects all jobs on an error that none can survive", () =>
  stage(async ({ supervisor, lines }) => {
    const both = await Promise.allSettled([
      supervisor.submit(job("fatal:0")),
      supervisor.submit(job("a")),
    ]);
    for (const result of both) {
      assert.equal(result.status, "rejected");
      assert.match(String(result.reason), /weights alone do not fit/);
    }
    assert.equal(lines("start").length, 1);
  }));

Deno.test("Supervisor.kill() ends the process and every job", () =>
  stage(async ({ supervisor }) => {
    const hanging = supervisor.submit(job("hang:9"));
    hanging.catch(() => {});
    await supervisor.start();
    await supervisor.kill(new Error("Stopped by SIGINT"));
    await assert.rejects(hanging, /Stopped by SIGINT/);
    assert.deepEqual(supervisor.running, []);
  }));
