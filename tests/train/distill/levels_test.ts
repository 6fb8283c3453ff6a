import assert from "node:assert/strict";
import { flowMatchTimes } from "../../../model/scheduler.ts";
import { stepOf, studentSteps } from "../../../train/distill/levels.ts";

const KINDS = [[1, 1], [1, 8], [2, 1], [2, 7], [2, 199], [3, 4], [4, 8], [8, 3]] as const;

for (const [steps, teacherSteps] of KINDS) {
  Deno.test(`studentSteps() cuts a run of the sampler into ${steps} of ${teacherSteps}`, () => {
    const all = studentSteps({ steps, teacherSteps });
    const { sigmas } = flowMatchTimes(steps);
    assert.deepEqual(all.map(({ from }) => from), [...sigmas.slice(0, -1)]);
    assert.deepEqual(all.map(({ to }) => to), [...sigmas.slice(1)]);
    const fine = flowMatchTimes(steps === 1 ? teacherSteps : (steps - 1) * teacherSteps + 1);
    const levels = all.flatMap(({ teacher }, i) => teacher.slice(i > 0 ? 1 : 0));
    assert.deepEqual(levels, [...fine.sigmas]);
    for (const { from, to, teacher } of all) {
      assert.ok(Math.abs(teacher[0]! - from) < 1e-6 && Math.abs(teacher.at(-1)! - to) < 1e-6);
    }
  });
}

Deno.test("stepOf() is the step in which a noise level lies", () => {
  const steps = studentSteps({ steps: 4, teacherSteps: 2 });
  const levels = [1, 0.999, 0.667, 0.666, 0.334, 0.002, 0.001].map(Math.fround);
  assert.deepEqual(levels.map((sigma) => stepOf(steps, sigma)), [0, 0, 1, 1, 2, 2, 3]);
});
