/**
 * Follows the released trainer's curves of 100 steps to the end (the tests follow their start), in f32
 * and then in f16, and prints how far the losses are off, relatively. In f32 at most 1e-4 is allowed in
 * the first 50 steps, 1e-2 in all; in f16 at most 2 % in the mean of the last 10 steps and of all steps
 * so far. An overflow is a step that changed nothing but the loss scale.
 * `deno run -A tools/train_curves.ts [STEPS]` (100)
 */

import { Gpu } from "../gpu/gpu.ts";
import {
  curveLosses,
  type GoldenCurve,
  goldenCurve,
  goldenWeights,
} from "../tests/support/train.ts";
import { Trainer } from "../train/trainer.ts";

const SPAN = 10;

/** Means of the last `span` values at each place. */
function means(values: readonly number[], span: number): number[] {
  return values.map((_, i) => {
    const last = values.slice(Math.max(0, i + 1 - span), i + 1).filter(Number.isFinite);
    return last.reduce((sum, value) => sum + value, 0) / last.length;
  });
}

/** The largest relative difference of two curves. */
function apart(values: readonly number[], from: readonly number[]): number {
  return Math.max(...values.map((value, i) => Math.abs(value / from[i]! - 1)).filter(isFinite));
}

async function losses(gpu: Gpu, name: string, curve: GoldenCurve, dtype: "f32" | "f16") {
  const weights = await goldenWeights(`train/${name}/init.safetensors`);
  const trainer = await Trainer.open(gpu, { ...curve.settings, dtype }, weights);
  try {
    return await curveLosses(trainer, curve, steps);
  } finally {
    trainer.close();
  }
}

const steps = Number(Deno.args[0] ?? 100);
const gpu = await Gpu.open();
let failed = false;
for (const name of ["curve-far-uncond", "curve-far-long"]) {
  const curve = await goldenCurve(name);
  const released = curve.log.map(({ loss }) => loss);
  const exact = await losses(gpu, name, curve, "f32");
  const [early, whole] = [apart(exact.slice(0, 50), released), apart(exact, released)];
  console.error(`${name}: off by ${early} in 50 steps, by ${whole} in ${steps}`);
  const half = await losses(gpu, name, curve, "f16");
  const overflows = half.filter((loss) => !Number.isFinite(loss)).length;
  const [recent, all] = [SPAN, steps].map((span) => apart(means(half, span), means(exact, span)));
  console.error(
    `in f16: ${overflows} overflows; apart by ${apart(half, exact)} at a step, ` +
      `${recent} in the mean of ${SPAN}, ${all} in the mean of all; loss ${exact[0]} to ` +
      `${exact.at(-1)} in f32, ${half.at(-1)} in f16`,
  );
  failed ||= !exact.every(Number.isFinite) || early > 1e-4 || whole > 1e-2 || recent! > 0.02 ||
    all! > 0.02;
}
await gpu.close();
Deno.exit(failed ? 1 : 0);
