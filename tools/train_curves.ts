/**
 * Follows the released trainer's curves of 100 steps to the end (the tests follow their start), and
 * prints how far the losses are off: at most 1e-4 is allowed in the first 50 steps, 1e-2 in all.
 * `deno run -A tools/train_curves.ts`
 */

import { Gpu } from "../gpu/gpu.ts";
import { followCurve, goldenCurve, goldenWeights } from "../tests/support/train.ts";
import { Trainer } from "../train/trainer.ts";

const gpu = await Gpu.open();
let failed = false;
for (const name of ["curve-far-uncond", "curve-far-long"]) {
  const curve = await goldenCurve(name);
  const weights = await goldenWeights(`train/${name}/init.safetensors`);
  const trainer = await Trainer.open(gpu, curve.settings, weights);
  const errors = await followCurve(trainer, curve, curve.log.length);
  trainer.close();
  const [early, all] = [Math.max(...errors.slice(0, 50)), Math.max(...errors)];
  console.error(`${name}: off by ${early} in 50 steps, by ${all} in ${errors.length}`);
  failed ||= early > 1e-4 || all > 1e-2;
}
await gpu.close();
Deno.exit(failed ? 1 : 0);
