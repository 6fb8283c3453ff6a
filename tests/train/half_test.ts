import assert from "node:assert/strict";
import { LossScale } from "../../train/loss_scale.ts";
import { Trainer, type TrainerSettings } from "../../train/trainer.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { SMALL, SMALL_WEIGHTS, smallBatch } from "./small_trainer.ts";

/** Losses of a short run on a few batches, again and again. */
async function losses(settings: Partial<TrainerSettings>, steps: number): Promise<number[]> {
  const trainer = await Trainer.open(await testGpu(), { ...SMALL, ...settings }, SMALL_WEIGHTS);
  try {
    const all: number[] = [];
    for (let step = 0; step <= steps; step++) {
      const before = step < steps ? trainer.submit(smallBatch(1, 1 + step % 3)) : trainer.flush();
      const result = await before;
      if (result) all.push(result.finite ? result.loss : NaN);
    }
    return all;
  } finally {
    trainer.close();
  }
}

Deno.test({ name: "training in f16 follows f32 within 2 %", ...GPU_TEST }, async () => {
  const exact = await losses({ lr: 1e-3, batch: 1 }, 6);
  const half = await losses({ lr: 1e-3, batch: 1, dtype: "f16" }, 6);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  assert.equal(half.length, exact.length);
  assert.ok(Math.abs(mean(half) / mean(exact) - 1) < 0.02, `${mean(half)} ${mean(exact)}`);
  assert.ok(half.every((loss, i) => Math.abs(loss / exact[i]! - 1) < 0.02), `${half} ${exact}`);
  assert.notDeepEqual(half, exact);
});

Deno.test({ name: "training in f16 takes half the bytes of activations", ...GPU_TEST }, () => {
  const device = { cpu: false };
  const { bytes: exact } = Trainer.plan(SMALL, device, {});
  const { bytes: half } = Trainer.plan({ ...SMALL, dtype: "f16" }, device, {});
  assert.equal(half.gradients, exact.gradients);
  assert.ok(half.activations < exact.activations, `${half.activations} ${exact.activations}`);
});

/** The scale of each step; results are read one step late, or at once after some steps. */
function scales(bad: readonly number[], steps: number, isRead: (step: number) => boolean) {
  let scale = new LossScale(true);
  const used: number[] = [];
  for (let step = 1; step <= steps; step++) {
    used.push(scale.begin(step));
    const late = (at: number) => ({ step: at, scale: used[at - 1]!, finite: !bad.includes(at) });
    if (step > 1 && !isRead(step - 1)) scale.note(late(step - 1));
    if (!isRead(step)) continue;
    scale.note(late(step));
    const { state } = scale;
    scale = new LossScale(true); // the run is stopped, and resumed
    scale.restore(state);
  }
  return used;
}

Deno.test("LossScale halves at overflows, and knows them two steps later", () => {
  assert.deepEqual(scales([], 3, () => false), [1024, 1024, 1024]);
  // step 2 was submitted with the scale of step 1, so that its overflow says nothing new
  assert.deepEqual(scales([1, 2, 3], 6, () => false), [1024, 1024, 512, 512, 256, 256]);
});

Deno.test("LossScale is the same wherever a run is stopped", () => {
  for (const bad of [[1], [2], [1, 2], [2, 3], [1, 2, 3, 4, 5], [3, 5, 6]]) {
    const whole = scales(bad, 8, () => false);
    for (let stop = 1; stop <= 8; stop++) {
      assert.deepEqual(scales(bad, 8, (step) => step === stop), whole, `${bad} at ${stop}`);
    }
    assert.deepEqual(scales(bad, 8, () => true), whole, `${bad}`);
  }
});

Deno.test("LossScale doubles after 2000 good steps", () => {
  const used = scales([1], 4010, (step) => step % 7 === 0);
  assert.equal(used[2], 512);
  const doubled = used.indexOf(1024, 3);
  // after 2000 good steps with 512, of which the first is step 3
  assert.equal(doubled, 3 + 2000);
  assert.equal(used.indexOf(2048), doubled + 2001);
});

Deno.test("LossScale stays 1 where none is needed", () => {
  const scale = new LossScale(false);
  scale.note({ step: 1, scale: 1, finite: false });
  scale.restore({ scale: 8, goodSteps: 3 });
  assert.deepEqual([scale.begin(3), scale.state], [1, undefined]);
});
