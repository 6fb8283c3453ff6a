/**
 * Trains along the released trainer's curves in f32 and in f16, and prints how far the losses are
 * apart, relatively: step by step, and in the mean of the last 10 steps and of all steps so far. At
 * most 2 % are allowed in the means. An overflow is a step that changed nothing but the loss scale.
 * `deno run -A tools/train_halves.ts [STEPS]` (100)
 */

import { Gpu } from "../gpu/gpu.ts";
import {
  curveLosses,
  type GoldenCurve,
  goldenCurve,
  goldenWeights,
} from "../tests/support/train.ts";
import { Trainer } from "../train/trainer.ts";

const MOST = 0.02;
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
  const [exact, half] = [
    await losses(gpu, name, curve, "f32"),
    await losses(gpu, name, curve, "f16"),
  ];
  const overflows = half.filter((loss) => !Number.isFinite(loss)).length;
  const [recent, all] = [SPAN, steps].map((span) => apart(means(half, span), means(exact, span)));
  console.error(
    `${name}: ${steps} steps, ${overflows} overflows; apart by ${apart(half, exact)} at a step, ` +
      `${recent} in the mean of ${SPAN}, ${all} in the mean of all; loss ${exact[0]} to ` +
      `${exact.at(-1)} in f32, ${half.at(-1)} in f16`,
  );
  failed ||= recent! > MOST || all! > MOST;
}
await gpu.close();
Deno.exit(failed ? 1 : 0);
