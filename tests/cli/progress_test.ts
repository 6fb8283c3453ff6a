import assert from "node:assert/strict";
import { ByteProgress } from "../../cli/byte_progress.ts";
import { duration, startProgress } from "../../cli/progress.ts";
import { recorder } from "../support/recorder.ts";

/** A clock that shows the seconds it is set to. */
function clock() {
  const state = { seconds: 0 };
  return { state, now: () => state.seconds * 1000 };
}

Deno.test("startProgress() writes occasional lines if the output is not a terminal", async () => {
  const terminal = recorder();
  const { state, now } = clock();
  const progress = await startProgress({ unit: "frames", total: 40 }, {}, terminal, now);
  for (let done = 1; done <= 40; done++) {
    state.seconds = done;
    progress.update(done);
  }
  progress.stop();
  assert.deepEqual(terminal.stderr, [
    "10/40 frames, 1.00/s, 30 s left",
    "20/40 frames, 1.00/s, 20 s left",
    "30/40 frames, 1.00/s, 10 s left",
  ]);
});

Deno.test("startProgress() writes JSON lines when asked, even with --quiet", async () => {
  const terminal = recorder();
  const { state, now } = clock();
  const options = { progress: "json", quiet: true } as const;
  const progress = await startProgress({ unit: "frames", total: 4 }, options, terminal, now);
  state.seconds = 2;
  progress.update(1);
  progress.stop();
  assert.deepEqual(terminal.stderr.map((line) => JSON.parse(line)), [
    { event: "start", unit: "frames", done: 0, total: 4, seconds: 0, remaining: null },
    { event: "progress", unit: "frames", done: 1, total: 4, seconds: 2, remaining: 6 },
    { event: "end", unit: "frames", done: 1, total: 4, seconds: 2, remaining: 6 },
  ]);
});

Deno.test("startProgress() counts the jobs of a stream of unknown length", async () => {
  const { state, now } = clock();
  const screen = recorder(true);
  const lines = await startProgress({ unit: "jobs" }, {}, screen, now);
  const json = recorder();
  const events = await startProgress({ unit: "jobs" }, { progress: "json" }, json, now);
  state.seconds = 20;
  lines.update(30);
  events.update(30);
  assert.deepEqual(screen.stderr, ["30 jobs, 1.50/s"]);
  assert.deepEqual(JSON.parse(json.stderr[1]!), {
    event: "progress",
    unit: "jobs",
    done: 30,
    total: null,
    seconds: 20,
    remaining: null,
  });
});

Deno.test("startProgress() says nothing with --quiet", async () => {
  const terminal = recorder();
  const { state, now } = clock();
  const progress = await startProgress(
    { unit: "frames", total: 4 },
    { quiet: true },
    terminal,
    now,
  );
  state.seconds = 99;
  progress.update(3);
  progress.stop();
  assert.deepEqual(terminal.stderr, []);
});

Deno.test("startProgress() measures the pace from its start", async () => {
  const terminal = recorder();
  const { state, now } = clock();
  const work = { unit: "MB", total: 40, from: 20 };
  const progress = await startProgress(work, {}, terminal, now);
  state.seconds = 10;
  progress.update(30);
  progress.stop();
  assert.deepEqual(terminal.stderr, ["30/40 MB, 1.00/s, 10 s left"]);
});

Deno.test("ByteProgress shows nothing for short work", async () => {
  const terminal = recorder();
  const { state, now } = clock();
  const options = { progress: "json", patience: 1 } as const;
  const quick = new ByteProgress(options, terminal, now);
  state.seconds = 0.9;
  quick.update(2e6, 2e6);
  await quick.stop();
  assert.deepEqual(terminal.stderr, []);
  const slow = new ByteProgress(options, terminal, now);
  for (const done of [1, 2, 4]) {
    state.seconds++;
    slow.update(done * 1e6, 4e6);
    await Promise.resolve();
  }
  await slow.stop();
  const told = terminal.stderr.map((line) => JSON.parse(line));
  assert.deepEqual(told[0], {
    ...{ event: "start", unit: "MB", done: 1, total: 4, seconds: 0, remaining: null },
  });
  assert.equal(told.at(-1).done, 4);
});

Deno.test("duration() is short at every size", () => {
  assert.deepEqual([0.4, 59.4, 60, 3599, 3600, Infinity].map(duration), [
    "0 s",
    "59 s",
    "1:00 min",
    "59:59 min",
    "1:00 h",
    "-",
  ]);
});
