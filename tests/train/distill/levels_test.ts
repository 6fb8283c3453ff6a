import assert from "node:assert/strict";
import { EVEN, flowMatchTimes } from "../../../model/scheduler.ts";
import { studentSteps, teacherCalls } from "../../../train/distill/levels.ts";
import { distilledSchedule } from "../../../train/distill/settings.ts";

for (const steps of [1, 2, 3, 4, 8]) {
  Deno.test(`distilledSchedule() divides a run into ${steps} equal steps`, () => {
    const all = studentSteps({ steps }, distilledSchedule({ steps }, EVEN));
    assert.equal(all.length, steps);
    for (const [i, { from, to }] of all.entries()) {
      assert.ok(Math.abs(from - (1 - i / steps)) < 1e-6, `${from}`);
      assert.ok(Math.abs(to - (1 - (i + 1) / steps)) < 1e-6, `${to}`);
    }
  });
}

Deno.test("studentSteps() are the sampler's", () => {
  for (const options of [{ steps: 3, shift: 4 }, { steps: 2, shift: 0.5, shiftTerminal: 0.3 }]) {
    const noise = distilledSchedule(options, EVEN);
    const { sigmas } = flowMatchTimes(options.steps, noise);
    const all = studentSteps(options, noise);
    assert.deepEqual(all.map(({ from }) => from), [...sigmas.slice(0, -1)]);
    assert.deepEqual(all.map(({ to }) => to), [...sigmas.slice(1)]);
  }
});

Deno.test("distilledSchedule() keeps the model's shift unless another is given", () => {
  assert.deepEqual(distilledSchedule({ steps: 4 }, { shift: 3 }), {
    shift: 3,
    shiftTerminal: 0.25,
  });
  assert.deepEqual(distilledSchedule({ steps: 1, shift: 2 }, { shift: 3 }), { shift: 2 });
});

Deno.test("teacherCalls() add up to Adams-Bashforth steps, the last of which is dropped", () => {
  const velocity = (sigma: number, x: number) => x * Math.cos(3 * sigma);
  for (const count of [1, 2, 3, 8]) {
    for (const [from, to] of [[0.9, 0.2], [0.4, 0]] as const) {
      const calls = teacherCalls({ from, to }, count);
      let [x, last, sum, ahead] = [1, NaN, 0, 0];
      for (const [k, call] of calls.entries()) {
        const [before, { sigma }, next] = [calls[k - 1]?.sigma, call, calls[k + 1]?.sigma ?? to];
        assert.ok(Math.abs(1 + (to - from) * (sum + ahead) - x) < 1e-12);
        const v = velocity(sigma, x);
        const [h, r] = [next - sigma, (next - sigma) / (sigma - before!)];
        x += h * (before === undefined ? v : (1 + r / 2) * v - r / 2 * last);
        last = v;
        sum += call.share * v;
        ahead = call.ahead * v;
      }
      assert.ok(Math.abs(calls[0]!.sigma - from) < 1e-12);
      assert.ok(Math.abs(1 + (to - from) * sum - x) < 1e-12);
    }
  }
});

Deno.test("teacherCalls() grow shorter towards sigma 0, and are equal before", () => {
  const lengths = (from: number, to: number) => {
    const sigmas = [...teacherCalls({ from, to }, 4).map(({ sigma }) => sigma), to];
    return sigmas.slice(1).map((sigma, i) => sigmas[i]! - sigma);
  };
  const last = lengths(0.5, 0);
  for (const [i, length] of last.slice(1).entries()) assert.ok(length < last[i]!);
  for (const length of lengths(1, 0.5)) assert.ok(Math.abs(length - 0.125) < 1e-12);
});
