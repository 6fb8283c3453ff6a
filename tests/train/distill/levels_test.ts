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
    const [from, to] = [0.9, 0.2];
    const h = (to - from) / count;
    let [x, last, sum, ahead] = [1, NaN, 0, 0];
    for (const [k, call] of teacherCalls({ from, to }, count).entries()) {
      const sigma = from + k * h;
      assert.ok(Math.abs(call.sigma - sigma) < 1e-12);
      assert.ok(Math.abs(1 + (to - from) * (sum + ahead) - x) < 1e-12);
      const v = velocity(sigma, x);
      x += h * (k === 0 ? v : 1.5 * v - 0.5 * last);
      last = v;
      sum += call.share * v;
      ahead = call.ahead * v;
    }
    assert.ok(Math.abs(1 + (to - from) * sum - x) < 1e-12);
  }
});
