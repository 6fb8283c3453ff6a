import assert from "node:assert/strict";
import { planJobs } from "../../../commands/evaluate/jobs.ts";
import { PROTOCOL } from "./evaluation_fixture.ts";

const CLIP = { id: "0-a", path: "/clips/a.npz" };

Deno.test("planJobs() has a job for each clip and seed", () => {
  const { jobs, predictions } = planJobs([CLIP], { ...PROTOCOL, trajectories: 2 }, {});
  assert.equal(jobs.length, 2);
  assert.deepEqual(jobs[1], {
    model: "maze",
    steps: 8,
    guidance: 1,
    context: "/clips/a.npz",
    "context-frames": 2,
    "context-start": 0,
    id: "0-a-2",
    frames: 2,
    seed: "2",
    count: 2,
    output: ["made/0-a-2.npz"],
  });
  assert.deepEqual(predictions[1]!.files, ["made/0-a-2-0.npz", "made/0-a-2-1.npz"]);
});

Deno.test("planJobs() generates from nothing where nothing is given", () => {
  const { jobs } = planJobs([CLIP], { ...PROTOCOL, context: 0, stride: 3 }, {});
  assert.equal(jobs[0]!["context-frames"], 0);
  assert.equal(jobs[0]!.context, undefined);
  assert.equal(jobs[0]!["context-stride"], undefined);
});

Deno.test("planJobs() goes out and back by every action that has an inverse", () => {
  const { jobs, trips } = planJobs([CLIP], { ...PROTOCOL, returns: 3 }, {});
  assert.deepEqual(trips.map(({ action, inverse }) => [action, inverse]), [[0, 1], [1, 0]]);
  const trip = jobs.find(({ id }) => id === "0-a-return-0")!;
  assert.deepEqual([trip.frames, trip.actions], [6, "0*3,1*3"]);
});

Deno.test("planJobs() makes moves along the clip with every action", () => {
  const protocol = { ...PROTOCOL, frames: 10, stride: 2, start: 5, agreement: 2 };
  const { jobs, probes } = planJobs([CLIP], protocol, {});
  assert.deepEqual(
    probes.map(({ frame, action }) => [frame, action]),
    [[2, 0], [2, 1], [2, 2], [7, 0], [7, 1], [7, 2]],
  );
  const last = jobs.at(-1)!;
  assert.deepEqual([last["context-start"], last.frames, last.actions], [15, 1, "2"]);
});

Deno.test("planJobs() gives actions that a clip lacks, those of its context too", () => {
  const clip = { ...CLIP, actions: "a.txt", moves: [2, 2, 0, 1] };
  const { jobs } = planJobs([clip], { ...PROTOCOL, returns: 1, agreement: 1 }, {});
  assert.equal(jobs[0]!.actions, "2,2,0,1");
  assert.equal(jobs.find(({ id }) => id === "0-a-return-1")!.actions, "2,2,1*1,0*1");
  assert.equal(jobs.at(-1)!.actions, "2,2,2");
});

Deno.test("planJobs() hands on how a run is computed", () => {
  const [job] = planJobs([CLIP], PROTOCOL, {
    solver: "ab2",
    positions: "bf16",
    windowCache: "reuse",
    size: { width: 64, height: 48 },
  }).jobs;
  assert.deepEqual(
    [job!.solver, job!.positions, job!["window-cache"], job!.size],
    ["ab2", "bf16", "reuse", "64x48"],
  );
});
