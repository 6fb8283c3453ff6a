import assert from "node:assert/strict";
import {
  filesOf,
  nameOfQueueJob,
  parseQueueFailure,
  parseQueueJob,
  parseQueueResult,
} from "../../../batch/queue/queue_border.ts";

const DIGEST = "0123456789abcdef".repeat(4);
const JOB = {
  version: 1,
  id: "walk-1",
  line: 3,
  where: "jobs.jsonl:3",
  hash: DIGEST,
  options: { frames: 4, actions: "forward*4", "no-metadata": true, label: [1, "2"] },
  model: { name: "demo", identity: DIGEST.slice(0, 20) },
  outputs: ["{id}/walk.mp4", "walk.npz"],
  inputs: { context: { sha256: DIGEST, name: "clip.npz" } },
};
const MADE = { path: "a.mp4", bytes: 10, sha256: DIGEST };
const RESULT = { seconds: 1.5, batch: 2, outputs: [MADE], sent: true, worker: "host" };

/** Values that a stranger may put in place of any other. */
const STRANGE: readonly unknown[] = [
  undefined,
  null,
  7,
  -1,
  1.5,
  NaN,
  true,
  "",
  " ",
  "..",
  "../x",
  "/etc/passwd",
  "x".repeat(300),
  "a\u001b[2Jb",
  "a\u0000b",
  "\u202etxt",
  [],
  [null],
  [["../x"]],
  {},
  { toString: 1 },
];
/** Fields, and the strange values that are valid there. */
const JOB_FIELDS: Readonly<Record<string, readonly unknown[]>> = {
  version: [],
  id: ["..", "../x", "/etc/passwd"],
  line: [7],
  where: ["..", "../x", "/etc/passwd", "x".repeat(300)],
  hash: [],
  options: [{}],
  "options.frames": [undefined, 7],
  "options.context": [undefined],
  "options.noise": [undefined],
  "options.output": [undefined],
  "options.preview": [undefined],
  "options.checkpoint": [undefined],
  model: [],
  "model.name": ["..", "../x", "/etc/passwd", "x".repeat(300)],
  "model.identity": [],
  outputs: [],
  "outputs.0": [],
  inputs: [{}],
  "inputs.context": [undefined],
  "inputs.context.sha256": [],
  "inputs.context.name": ["..", "../x", "/etc/passwd", "x".repeat(300)],
  "inputs.output": [undefined],
  "inputs.__proto__x": [undefined],
  shared: [undefined, "/etc/passwd"],
};
const RESULT_FIELDS: Readonly<Record<string, readonly unknown[]>> = {
  seconds: [7, 1.5],
  batch: [7],
  outputs: [],
  "outputs.0": [],
  "outputs.0.path": [],
  "outputs.0.bytes": [7],
  "outputs.0.sha256": [],
  sent: [true],
  worker: ["..", "../x", "/etc/passwd"],
};

/** A copy with one field replaced, or left out. */
function changed(whole: unknown, field: string, value: unknown): unknown {
  const copy = structuredClone(whole);
  const names = field.split(".");
  const last = names.pop()!;
  // deno-lint-ignore no-explicit-any
  const at = names.reduce((inner: any, name) => inner[name], copy);
  if (value === undefined && !Array.isArray(at)) delete at[last];
  else at[last] = value;
  return copy;
}

/** Fields of `table` x STRANGE that a parser takes, though they are not among the harmless. */
function taken(
  whole: unknown,
  table: Readonly<Record<string, readonly unknown[]>>,
  parse: (data: unknown) => unknown,
): string[] {
  const wrong: string[] = [];
  for (const [field, harmless] of Object.entries(table)) {
    for (const value of STRANGE) {
      const fits = harmless.some((one) => JSON.stringify(one) === JSON.stringify(value));
      try {
        parse(changed(whole, field, value));
        if (!fits) wrong.push(`${field} = ${JSON.stringify(value)} is taken`);
      } catch (error) {
        assert.equal((error as Error).name, "UsageError", `${field}: ${error}`);
        // deno-lint-ignore no-control-regex
        assert.doesNotMatch((error as Error).message, /[\u0000-\u001f\u202e]/);
        if (fits && field !== "shared") {
          wrong.push(`${field} = ${JSON.stringify(value)} is refused`);
        }
      }
    }
  }
  return wrong;
}

Deno.test("parseQueueJob() takes a job as it is packed", () => {
  const job = { ...JOB, outputs: ["walk.mp4", "deep/walk.npz"] };
  assert.deepEqual({ ...parseQueueJob(job) }, { ...job, shared: undefined });
  const shared = { ...job, inputs: {}, shared: "/data/out", options: { context: "/data/a.npz" } };
  assert.deepEqual({ ...parseQueueJob(shared) }, shared);
});

Deno.test("parseQueueJob() refuses every field that a stranger may have put there", () => {
  const job = { ...JOB, outputs: ["walk.mp4"] };
  assert.deepEqual(taken(job, JOB_FIELDS, parseQueueJob), []);
  for (const value of STRANGE) {
    assert.throws(() => parseQueueJob(value), { name: "UsageError" });
  }
  for (const hash of ["../x", "", DIGEST.toUpperCase(), `${DIGEST}/`, DIGEST.slice(1)]) {
    assert.throws(() => parseQueueJob({ ...job, hash }), /hash must be 64 hexadecimal digits/);
  }
});

Deno.test("parseQueueJob() takes a LoRA with its scale, and a scale of nothing else", () => {
  const inputs = { lora: { sha256: DIGEST, name: "a.safetensors", scale: 0.5 } };
  const job = { ...JOB, outputs: ["walk.mp4"], inputs };
  assert.deepEqual(parseQueueJob(job).inputs, inputs);
  for (const scale of ["1", NaN, Infinity, null, {}]) {
    const lora = { ...inputs.lora, scale };
    assert.throws(() => parseQueueJob({ ...job, inputs: { lora } }), /scale must be a number/);
  }
  const context = { ...inputs.lora };
  assert.throws(() => parseQueueJob({ ...job, inputs: { context } }), /scale must be a number/);
  const shared = {
    ...job,
    inputs: {},
    shared: "/data",
    options: { lora: "/data/a.safetensors:2" },
  };
  assert.deepEqual([...filesOf(parseQueueJob(shared).options)], [["lora", "/data/a.safetensors"]]);
});

Deno.test("parseQueueJob() refuses options that name files which were not sent", () => {
  const job = { ...JOB, outputs: ["walk.mp4"] };
  for (
    const options of [
      { context: "/etc/passwd" },
      { noise: "/etc/hostname" },
      { lora: "/etc/x.safetensors:0.5" },
      { actions: "/etc/secret.json" },
      { actions: ["forward", "keys.txt"] },
    ]
  ) {
    assert.throws(() => parseQueueJob({ ...job, options }), /must be sent as an input/);
  }
  const shared = { ...job, shared: "/data" };
  assert.throws(() => parseQueueJob(shared), /inputs must be empty where it is shared/);
});

Deno.test("parseQueueResult() takes exactly the expected files", () => {
  assert.deepEqual(parseQueueResult(RESULT, ["a.mp4"]), RESULT);
  assert.deepEqual(taken(RESULT, RESULT_FIELDS, (data) => parseQueueResult(data, ["a.mp4"])), []);
  for (const value of STRANGE) {
    assert.throws(() => parseQueueResult(value, ["a.mp4"]), { name: "UsageError" });
  }
  for (const outputs of [[], [MADE, MADE], [{ ...MADE, path: "b.mp4" }]]) {
    assert.throws(() => parseQueueResult({ ...RESULT, outputs }, ["a.mp4"]), /exactly the files/);
  }
});

Deno.test("parseQueueResult() requires a digest of every sent file", () => {
  const outputs = [{ path: "f%d.png", bytes: 9, sha256: "" }];
  const shared = { ...RESULT, sent: false, outputs };
  assert.deepEqual(parseQueueResult(shared, ["f%d.png"]), shared);
  assert.throws(() => parseQueueResult({ ...shared, sent: true }, ["f%d.png"]), /sha256 must be/);
});

Deno.test("parseQueueFailure() and nameOfQueueJob() read anything", () => {
  for (const value of STRANGE) {
    assert.equal(typeof parseQueueFailure(value, value).message, "string");
    assert.equal(typeof nameOfQueueJob(value).id, "string");
  }
  const failure = { failure: { message: "x", temporary: false } };
  assert.deepEqual(parseQueueFailure(failure, "a\u001b[31m"), {
    message: "a\\u001b[31m",
    temporary: false,
  });
});
