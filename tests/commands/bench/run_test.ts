import assert from "node:assert/strict";
import { main } from "../../../cli.ts";
import { table } from "../../../commands/bench/tables.ts";
import { recorder } from "../../support/recorder.ts";

async function bench(...args: string[]) {
  const terminal = recorder();
  const status = await main(["bench", ...args], terminal);
  return { status, terminal };
}

async function refused(message: RegExp, ...args: string[]) {
  const { status, terminal } = await bench(...args);
  assert.equal(status, 2);
  assert.equal(terminal.stderr.length, 1);
  assert.match(terminal.stderr[0]!, message);
  assert.equal(terminal.stdout, "");
}

Deno.test("far bench --json gives a step's time, work and profile, and the run's memory", async () => {
  const { status, terminal } = await bench(
    ...["--json", "--runs", "1", "--only", "steps", "--only", "frames"],
    ...["--frames-at", "1", "--steps", "1", "--profile", "--dtype", "f32"],
  );
  assert.equal(status, 0, terminal.stderr.join("\n"));
  const result = JSON.parse(terminal.stdout);
  assert.equal(result.model, "maze");
  assert.equal(result.kernels, undefined);
  assert.ok(result.peaks.flops > 0 && result.peaks.bytes > 0);
  const [later, first] = result.steps;
  assert.deepEqual([later.frame, later.kind, first.kind], [1, "later", "first"]);
  assert.ok(later.seconds.wall.median > 0);
  // 8 blocks of width 192, one frame of 64 tokens before: products are known
  const blocks = 8 * (2 * 64 * 12 * 192 ** 2 + 4 * 64 * 192 * 128);
  assert.equal(later.work.flops, blocks + 2 * 2 * 64 * 32 * 192);
  const calls = later.profile?.reduce(
    (sum: number, { count }: { count: number }) => sum + count,
    0,
  );
  if (result.clock === "gpu") assert.equal(calls, later.work.dispatches);
  const { peak, predicted } = result.generation.memory;
  assert.ok(Math.abs(peak / predicted - 1) < 0.02, `${peak} bytes, but ${predicted} predicted`);
  assert.equal(result.generation.modelCalls, 3);
});

Deno.test("far bench measures a released architecture only with made-up weights", async () => {
  await refused(/add --synthetic/, "--architecture", "FAR_B");
  await refused(/give --architecture/, "--synthetic");
  await refused(/not both/, "--architecture", "FAR_B", "--synthetic", "--model", "elsewhere");
});

Deno.test("far bench refuses frames that are not numbers", async () => {
  await refused(/"x" is not a whole number/, "--frames-at", "2,x");
  await refused(/"" is not a whole number/, "--frames-at", "2,");
  await refused(/"-1" is not a whole number/, "--frames-at=-1");
  await refused(/"1.5" is not a whole number/, "--frames-at", "1.5");
});

Deno.test("table() aligns words to the left and numbers to the right", () => {
  assert.equal(
    table(["a", "ms"], [["long name", "1"], ["b", "10.5"]], 1),
    "a            ms\nlong name     1\nb          10.5",
  );
});
