import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { flowMatchTimes, schedule, type Solver, trainedSigma } from "../../model/scheduler.ts";

const GOLDENS = JSON.parse(
  readFileSync(new URL("../fixtures/goldens/scheduler.json", import.meta.url), "utf8"),
) as Record<string, { timesteps: number[]; sigmas: number[] }>;

/** SHA-256, of which 16 digits are kept, of float32 numbers that diffusers 0.32.2 computes. */
const SHIFTED = JSON.parse(
  readFileSync(new URL("../fixtures/goldens/scheduler_shifts.json", import.meta.url), "utf8"),
) as readonly {
  shift: number;
  shiftTerminal?: number;
  two: number[];
  trained?: string;
  runs: Record<string, string>;
}[];

function digestOf(...lists: readonly Float32Array[]): string {
  const hash = createHash("sha256");
  for (const list of lists) hash.update(new Uint8Array(list.buffer as ArrayBuffer));
  return hash.digest("hex").slice(0, 16);
}

/** A velocity field of time and place; x is integrated as the sampler does, in doubles. */
function integrate(steps: number, solver: Solver, velocity: (x: number, sigma: number) => number) {
  let x = 1;
  let previous = NaN;
  for (const { timestep, c0, c1 } of schedule(steps, solver)) {
    const v = velocity(x, timestep / 1000);
    x += c0 * v + (c1 === 0 ? 0 : c1 * previous);
    previous = v;
  }
  return x;
}

/** dx/ds = x cos(2 s), so x(0) = x(1) exp(-sin(2) / 2). */
const curved = (x: number, sigma: number) => x * Math.cos(2 * sigma);
const CURVED_END = Math.exp(-Math.sin(2) / 2);

for (const [steps, golden] of Object.entries(GOLDENS)) {
  Deno.test(`flowMatchTimes() equals the released scheduler's for ${steps} steps`, () => {
    const { timesteps, sigmas } = flowMatchTimes(Number(steps));
    assert.deepEqual(Array.from(timesteps), golden.timesteps);
    assert.deepEqual(Array.from(sigmas), golden.sigmas);
  });
}

for (const { shift, shiftTerminal, two, trained, runs } of SHIFTED) {
  const noise = { shift, ...(shiftTerminal !== undefined && { shiftTerminal }) };
  Deno.test(`flowMatchTimes() equals the released scheduler's with ${JSON.stringify(noise)}`, () => {
    assert.deepEqual(Array.from(flowMatchTimes(2, noise).sigmas), two);
    for (const [steps, digest] of Object.entries(runs)) {
      const { sigmas, timesteps } = flowMatchTimes(Number(steps), noise);
      assert.equal(digestOf(sigmas, timesteps), digest, `${steps} steps`);
    }
    if (trained === undefined) return;
    const levels = Float32Array.from({ length: 1000 }, (_, index) => trainedSigma(index, noise));
    assert.equal(digestOf(levels), trained);
  });
}

Deno.test("flowMatchTimes() leaves a single step as it is", () => {
  const { sigmas } = flowMatchTimes(1, { shift: 3, shiftTerminal: 0.5 }); // NaN in diffusers
  assert.deepEqual(Array.from(sigmas), [1, 0]);
});

Deno.test("flowMatchTimes() refuses counts that are not numbers of steps", () => {
  for (const steps of [0, -1, 2.5, NaN, Infinity, 1001]) {
    assert.throws(() => flowMatchTimes(steps), {
      name: "RangeError",
      message: `Cannot schedule ${steps} steps: steps must be a whole number from 1 to 1000`,
    });
  }
});

Deno.test("schedule() makes Euler's update the float32 difference of sigmas", () => {
  const { sigmas, timesteps } = GOLDENS["25"]!;
  const calls = schedule(25);
  assert.deepEqual(calls.map(({ timestep }) => timestep), timesteps);
  assert.deepEqual(
    calls.map(({ c0 }) => c0),
    timesteps.map((_, i) => Math.fround(sigmas[i + 1]! - sigmas[i]!)),
  );
  assert.ok(calls.every(({ c1 }) => c1 === 0));
});

Deno.test("schedule() lists a call per step for ab2 and two for heun but in the last step", () => {
  const times = Array.from(flowMatchTimes(3).timesteps);
  assert.deepEqual(schedule(3, "ab2").map(({ timestep }) => timestep), times);
  assert.deepEqual(
    schedule(3, "heun").map(({ timestep }) => timestep),
    [times[0], times[1], times[1], times[2], times[2]],
  );
});

Deno.test("schedule() reads no velocity before the first call", () => {
  for (const solver of ["euler", "ab2", "heun"] as const) {
    for (const steps of [1, 2, 7]) assert.ok(Object.is(schedule(steps, solver)[0]!.c1, 0));
  }
});

Deno.test("schedule() is one Euler step of length 1 for any solver of one step", () => {
  const expected = [{ timestep: 1000, c0: -1, c1: 0 }];
  for (const solver of ["euler", "ab2", "heun"] as const) {
    assert.deepEqual(schedule(1, solver), expected);
  }
});

Deno.test("schedule() integrates a constant velocity exactly and ab2 also one linear in time", () => {
  for (const solver of ["euler", "ab2", "heun"] as const) {
    assert.ok(Math.abs(integrate(9, solver, () => 2) - (1 - 2)) < 1e-6, solver);
  }
  // With v = 2 s the first step of ab2 is short of h^2; every other step is exact.
  const h = (1 - 0.001) / 24;
  const error = integrate(25, "ab2", (_, sigma) => 2 * sigma) - (1 - 1);
  assert.ok(Math.abs(error + h * h) < 1e-6, `error ${error} for an expected ${-h * h}`);
});

Deno.test("schedule() converges with first order for euler and second for ab2 and heun", () => {
  const orders = { euler: 1, ab2: 2, heun: 2 } as const;
  for (const [solver, order] of Object.entries(orders) as [Solver, number][]) {
    const error = (steps: number) => Math.abs(integrate(steps, solver, curved) - CURVED_END);
    // Counts of full-length steps double from 16 to 32 to 64; the last step is 0.001 long.
    for (const steps of [17, 33]) {
      const measured = Math.log2(error(steps) / error(2 * steps - 1));
      assert.ok(Math.abs(measured - order) < 0.25, `${solver}: order ${measured} at ${steps}`);
    }
  }
});

Deno.test("schedule() leaves a smaller error with ab2 than euler has with twice the steps", () => {
  for (const steps of [8, 16, 25]) {
    const ab2 = Math.abs(integrate(steps, "ab2", curved) - CURVED_END);
    const euler = Math.abs(integrate(2 * steps, "euler", curved) - CURVED_END);
    assert.ok(ab2 < euler, `${steps} steps: ab2 ${ab2}, euler ${euler}`);
  }
});
