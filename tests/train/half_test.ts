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

Deno.test("LossScale halves at overflows and doubles after 2000 good steps", () => {
  const scale = new LossScale(true);
  assert.equal(scale.scale, 1024);
  scale.note(1024, false);
  assert.equal(scale.scale, 512);
  scale.note(1024, false); // of a step submitted before
  assert.equal(scale.scale, 512);
  for (let i = 0; i < 1999; i++) scale.note(512, true);
  assert.deepEqual(scale.state, { scale: 512, goodSteps: 1999 });
  scale.note(512, true);
  assert.deepEqual(scale.state, { scale: 1024, goodSteps: 0 });
  const again = new LossScale(true);
  again.restore({ scale: 8, goodSteps: 3 });
  assert.equal(again.scale, 8);
});

Deno.test("LossScale stays 1 where none is needed", () => {
  const scale = new LossScale(false);
  scale.note(1, false);
  scale.restore({ scale: 8, goodSteps: 3 });
  assert.deepEqual([scale.scale, scale.state], [1, undefined]);
});
