import { printable } from "../files/errors.ts";
import { nameFault, outputFiles } from "../batch/plan/output_names.ts";
import { filesOf, parseQueueJob, parseQueueResult } from "../batch/queue/queue_border.ts";
import type { Target } from "./fuzz.ts";
import { hold, type Mutator } from "./fuzz_mutator.ts";

const HASH = "0123456789abcdef".repeat(4);
const OUTPUTS = ["walk.mp4", "exact/walk.npz", "all.safetensors"];
const JOBS: readonly unknown[] = [{
  version: 1,
  id: "walk-1",
  line: 3,
  where: "jobs.jsonl:3",
  hash: HASH,
  options: { frames: 2, seed: "7", actions: "forward*2", size: "64x64", "no-cache": true },
  model: { name: "demo", identity: HASH },
  outputs: OUTPUTS,
  inputs: { context: { sha256: HASH, name: "clip.npz" } },
}, {
  version: 1,
  id: "b",
  line: 1,
  where: "stdin:1",
  hash: HASH,
  options: { label: "1*2,3", context: "/data/clip.mp4", noise: "/data/n.safetensors" },
  model: { name: "/models/far-b", identity: HASH },
  outputs: ["f-%03d.png"],
  inputs: {},
  shared: "/data/out",
}];
const EXPECTED = outputFiles(OUTPUTS, 2);
const ANSWERS: readonly unknown[] = [true, false].map((sent) => ({
  seconds: 1.5,
  batch: 2,
  outputs: EXPECTED.map((path) => ({ path, bytes: 10, sha256: sent ? HASH : "" })),
  sent,
  worker: "host",
}));

/** Values and names that break what trusts them. */
const VALUES: readonly unknown[] = [
  ...[null, true, 0, -1, 0.5, 1e9, 1e300, "", " ", ".", "..", "../x", "/etc/passwd"],
  ...["/data/../etc", "C:\\x", "a\u0000b", "\u001b[2J", "\u202e", "\ud800", "nul.mp4", "%d.png"],
  ...["0*1000000000", "x".repeat(300), HASH, HASH.toUpperCase()],
  ...[[], [[]], ["a.mp4"], ["../a.mp4"], ["a.mp4", "a.mp4"], {}, { sha256: HASH, name: "a.npz" }],
];
const NAMES = ["__proto__", "constructor", "output", "context", "noise", "shared", "7", "x"];

/** A copy with one to three places changed, taken out, doubled or put in. */
function mutate(m: Mutator, whole: unknown, values: readonly unknown[]): unknown {
  const copy = structuredClone(whole);
  for (let times = 1 + m.below(3); times > 0; times--) {
    let place = copy as Record<string, unknown>;
    while (true) {
      const inner = Object.values(place).filter((v) => v !== null && typeof v === "object");
      if (inner.length === 0 || m.chance(0.5)) break;
      place = m.pick(inner) as Record<string, unknown>;
    }
    const names = Object.keys(place);
    const name = names.length === 0 || m.chance(0.2) ? m.pick(NAMES) : m.pick(names);
    if (m.chance(0.15)) delete place[name];
    else {
      const other = m.chance(0.1) && names.length > 0 ? place[m.pick(names)] : m.pick(values);
      const value = structuredClone(other); // JSON has no cycles
      const plain = { configurable: true, enumerable: true, writable: true };
      Object.defineProperty(place, name, { value, ...plain }); // also a name such as __proto__
    }
  }
  return copy;
}

/** One of the seeds with a few places changed, as JSON. @param own values for this format alone */
export function inputFrom(
  m: Mutator,
  seeds: readonly unknown[],
  own: readonly unknown[] = [],
): Uint8Array {
  const whole = m.pick(seeds);
  const value = m.chance(0.05) ? m.pick(VALUES) : mutate(m, whole, [...VALUES, ...own]);
  const text = JSON.stringify(value);
  return new TextEncoder().encode(m.chance(0.2) ? m.json(text, ["null", "..", "[]"]) : text);
}

/** Parses as BullMQ does before jobs reach the worker. */
export function parsed(input: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(input));
  } catch {
    return undefined;
  }
}

/**
 * Jobs as a worker reads them: accepted ones stay inside its folders and print no control codes.
 */
export const QUEUE_JOB: Target = {
  make: (m) => inputFrom(m, JOBS),
  read(input) {
    const job = parseQueueJob(parsed(input));
    hold(/^[0-9a-f]{64}$/.test(job.hash), "a hash");
    hold(job.outputs.length > 0 && job.outputs.every((name) => !nameFault(name)), "an output");
    hold([job.id, job.where, job.model.name].every((text) => printable(text) === text), "a text");
    hold(job.shared !== undefined || filesOf(job.options).size === 0, "a file of the worker");
    hold(
      Object.values(job.inputs).every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256)),
      "a digest",
    );
    return Promise.resolve();
  },
};

/** Answers as a batch reads them: accepted ones have exactly the job's files. */
export const QUEUE_ANSWER: Target = {
  make: (m) => inputFrom(m, ANSWERS),
  read(input) {
    const { outputs, sent, seconds, worker } = parseQueueResult(parsed(input), EXPECTED);
    hold(outputs.map(({ path }) => path).sort().join() === [...EXPECTED].sort().join(), "a file");
    hold(outputs.every(({ sha256 }) => sent ? sha256 !== "" : true), "a file without a digest");
    hold(seconds >= 0 && printable(worker) === worker, "a number or a name");
    return Promise.resolve();
  },
};
