import assert from "node:assert/strict";
import { Trainer } from "../../train/trainer.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { followCurve, goldenCurve, goldenWeights } from "../support/train.ts";

/** All 100 are 40 s of work: `tools/train_curves.ts` follows them to the end. */
const STEPS = 20;

for (const name of ["curve-far-uncond", "curve-far-long"]) {
  Deno.test({ name: `Trainer follows ${name} of the released trainer`, ...GPU_TEST }, async () => {
    const curve = await goldenCurve(name);
    const weights = await goldenWeights(`train/${name}/init.safetensors`);
    const trainer = await Trainer.open(await testGpu(), curve.settings, weights);
    try {
      const errors = await followCurve(trainer, curve, STEPS);
      assert.ok(Math.max(...errors) <= 1e-4, `losses are off by ${errors}`);
    } finally {
      trainer.close();
    }
  });
}
