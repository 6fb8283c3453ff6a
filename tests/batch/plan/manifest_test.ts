import assert from "node:assert/strict";
import { type Entry, Manifest } from "../../../batch/plan/manifest.ts";

/** Reads lines; every problem and every job of all of them. */
function read(lines: readonly unknown[], common: Record<string, unknown>[] = []) {
  const manifest = new Manifest(
    "jobs.jsonl",
    common.map((fields, i) => ({ fields, where: `defaults ${i}` })),
  );
  const problems: string[] = [];
  const entries: Entry[] = [];
  const broken: Entry[] = [];
  for (const line of lines) {
    const found = manifest.read(typeof line === "string" ? line : JSON.stringify(line));
    problems.push(...found.problems);
    for (const entry of found.entries) (entry.broken ? broken : entries).push(entry);
  }
  return { problems, entries, broken };
}

Deno.test("Manifest names jobs by id, or by the number of their line", () => {
  const { entries, problems } = read([{ id: "one", seed: 1 }, "", { seed: 2 }, { id: 7 }]);
  assert.deepEqual(problems, []);
  assert.deepEqual(entries.map(({ id, line }) => [id, line]), [["one", 1], ["3", 3], ["7", 4]]);
  assert.deepEqual(entries.map(({ outputs }) => outputs[0]), ["one.mp4", "3.mp4", "7.mp4"]);
  assert.equal(entries[0]!.values.seed, 1n);
});

Deno.test("Manifest: a line overrides the header, and the header other defaults", () => {
  const { entries, problems } = read(
    [{ defaults: { "context-frames": 3, steps: 9 } }, { contextFrames: 5 }, { seed: 1 }],
    [{ steps: 1, frames: 4 }, { context_frames: 2, steps: 2 }],
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(entries.map(({ values }) => values), [
    { contextFrames: 5, steps: 9, frames: 4 },
    { contextFrames: 3, steps: 9, frames: 4, seed: 1n },
  ]);
});

Deno.test("Manifest expands lines, and names each job of one", () => {
  const { entries } = read([
    { id: "a", seed: { range: [8, 10] }, actions: { each: ["left", "right"] } },
    { id: "b-{seed}", seed: { range: [0, 2] }, output: ["x/{id}.npz", "{seed}/{id}.gif"] },
    { id: "c-{steps}-{seed}", seed: { range: [7, 8] }, steps: 3 },
  ]);
  const ids = ["a-8-0", "a-8-1", "a-9-0", "a-9-1", "b-0", "b-1", "c-3-7"];
  assert.deepEqual(entries.map(({ id }) => id), ids);
  assert.deepEqual(entries[5]!.outputs, ["x/b-1.npz", "1/b-1.gif"]);
  const { problems } = read([{ id: "x-{sede}", seed: 1 }]);
  assert.match(problems.join(), /"id" in jobs\.jsonl:1: \{sede\} has no value .*"seed"/);
});

Deno.test("Manifest refuses a line of too many options at once", () => {
  const names = Array.from({ length: 130_000 }, (_, i) => `"x${i}":1`);
  const { problems } = new Manifest("jobs.jsonl").read(`{${names}}`);
  assert.match(problems.join(), /^Cannot use jobs\.jsonl:1: it sets 130000 options of \d+$/);
});

Deno.test("Manifest takes as many jobs from one line as a range may stand for", () => {
  const manifest = new Manifest("jobs.jsonl");
  const { entries, problems } = manifest.read('{"seed": {"range": [0, 150000]}}');
  assert.equal(entries.length, 150_000);
  assert.deepEqual(problems, []);
});

Deno.test("Manifest reports every problem once, with line and field", () => {
  const { entries, problems } = read([
    { defaults: { steps: 0, framse: 3 } },
    { seed: 1 },
    { seed: "x", gudance: 2 },
    "{oops",
    "[1]",
    { frames: 1, preview: "p.png" },
    { id: {} },
    { seed: -1 },
    { output: "out.mp5" },
    { steps: 0, output: "../x.mp4" },
    { context_frames: 1, contextFrames: 2 },
    { seed: { each: ["y", 1] }, steps: { each: [-5, 2] } },
  ]);
  assert.deepEqual(entries.map(({ id }) => id), []);
  const expected = [
    /"steps" in jobs\.jsonl:1: it must be a whole number from 1 to 1000, not 0/,
    /"framse" in jobs\.jsonl:1: .*did you mean "frames"/,
    /"seed" in jobs\.jsonl:3/,
    /"gudance" in jobs\.jsonl:3: .*did you mean "guidance"/,
    /Cannot read jobs\.jsonl:4/,
    /jobs\.jsonl:5: it must be one JSON object/,
    /"preview" in jobs\.jsonl:6: a single job cannot set it/,
    /"id" in jobs\.jsonl:7/,
    /"seed" -1 in jobs\.jsonl:8/,
    /"output" in jobs\.jsonl:9: .*\.mp5/,
    /"steps" in jobs\.jsonl:10: .*not 0/,
    /"output" in jobs\.jsonl:10: "\.\.\/x\.mp4" must be inside/,
    /"contextFrames" in jobs\.jsonl:11: it occurs twice/,
    /"seed" in jobs\.jsonl:12: .*"y"/,
    /"steps" in jobs\.jsonl:12: .*-5/,
  ];
  for (const pattern of expected) {
    assert.equal(problems.filter((problem) => pattern.test(problem)).length, 1, String(pattern));
  }
  assert.equal(problems.length, expected.length);
});

Deno.test("Manifest reads lines strictly: no duplicate keys, no rounded seeds", () => {
  const { problems } = read([
    '{"seed": 1, "seed": 2}',
    '{"seed": 9007199254740993}',
    '{"seed" 1}',
  ]);
  assert.deepEqual(problems, [
    'Cannot read jobs.jsonl:1: key "seed" occurs twice at byte 18',
    'Cannot use "seed" in jobs.jsonl:2: a JSON number would be rounded; put it in quotes',
    "Cannot read jobs.jsonl:3: expected ':' at byte 8",
  ]);
});

Deno.test("Manifest checks the outputs of a line whose settings are right", () => {
  const { problems } = read([{ output: "out.mp5" }, { output: "../a.mp4" }, { output: "-" }]);
  assert.match(problems[0]!, /"output" in jobs\.jsonl:1: .*\.mp5.*did you mean "\.mp4"/);
  assert.match(problems[1]!, /"output" in jobs\.jsonl:2: "\.\.\/a\.mp4" must be inside/);
  assert.match(problems[2]!, /stdout/);
});

Deno.test("Manifest refuses duplicate ids and outputs", () => {
  const { entries, problems } = read([
    { id: "a" },
    { id: "a", seed: 1 },
    { id: "b", output: "A.mp4" },
    { id: "c", output: "c.mp4", count: 2 },
    { id: "d", output: "c-1.mp4" },
    { id: "e", output: "same.mp4", seed: { range: [0, 2] } },
    { id: "f", output: "tensors.safetensors", label: "1*2,4" },
    { id: "g", output: "g.gif", label: "1*2,4" },
    { id: "h", output: "g-2.gif" },
  ]);
  assert.deepEqual(entries.map(({ id }) => id), ["a", "c", "e-0", "f", "g"]);
  assert.deepEqual(
    problems.map((text) => text.replace(/^Cannot use /, "")),
    [
      'id "a" in jobs.jsonl:2: line 1 has the same',
      '"output" in jobs.jsonl:3: "A.mp4" is also written by job "a" of line 1',
      '"output" in jobs.jsonl:5: "c-1.mp4" is also written by job "c" of line 4',
      '"output" in jobs.jsonl:6: "same.mp4" is also written by job "e-0" of line 6',
      '"output" in jobs.jsonl:9: "g-2.gif" is also written by job "g" of line 8',
    ],
  );
});

Deno.test("Manifest takes defaults only from the first line, without other fields", () => {
  const late = read([{ seed: 1 }, { defaults: {} }]);
  assert.match(late.problems[0]!, /jobs\.jsonl:2: "defaults" must be the first line/);
  assert.match(read([{ defaults: {}, seed: 1 }]).problems[0]!, /may have no other fields/);
  assert.match(read([{ defaults: 3 }]).problems[0]!, /must be a JSON object/);
});
