import assert from "node:assert/strict";
import { StepRandom } from "../../train/draws.ts";
import { Trainer, type TrainerSettings } from "../../train/trainer.ts";
import { assertGolden } from "../support/close.ts";
import { digestError, pickEntries, readDigests } from "../support/digest.ts";
import { openGolden } from "../support/far.ts";
import { GPU_TEST, KERNELS, testGpu } from "../support/gpu.ts";
import { goldenBatch, goldenRun, goldenWeights } from "../support/train.ts";

/** Runs of the released trainer, and steps whose gradients are in a golden. */
const GRADIENTS = [
  ["far-uncond", "step1"],
  ["far-label", "step1"],
  ["far-action", "step1"],
  ["far-init", "step1"],
  ["far-long", "step1"],
  ["far-long", "nocontext"],
  ["far-long-flexrope", "step1"],
] as const;

for (const by of ["own kernels", "GPU kernels"]) {
  for (const [name, step] of GRADIENTS) {
    const title = `Trainer finds loss and gradients of ${name} ${step} by ${by}`;
    Deno.test({ name: title, ...GPU_TEST }, () => checkGradients(name, step, by));
  }
}

/** Compares the loss, and the gradient of each parameter. */
async function checkGradients(name: string, step: string, by: string): Promise<void> {
  const gpu = await testGpu();
  const { settings, steps, noContext } = await goldenRun(name);
  const path = `train/${name}/${step}.safetensors`;
  const golden = await openGolden(path);
  const atWindow = step === "nocontext";
  const weights = await goldenWeights(`train/${name}/${atWindow ? "after3" : "init"}.safetensors`);
  const device = KERNELS[by]!(gpu);
  const { seed } = atWindow ? noContext! : steps[0]!;
  const trainer = await Trainer.open(gpu, { ...settings, seed }, weights, { device });
  try {
    const { loss, gradients } = await trainer.gradients(await goldenBatch(golden));
    const [expectedLoss] = await golden.floats("loss");
    assert.ok(Math.abs(loss / expectedLoss! - 1) <= 1e-5, `loss ${loss}, not ${expectedLoss}`);
    const errors: Record<string, number> = {};
    for (const [parameter, digest] of await readDigests(path, "grad.")) {
      const actual = gradients.get(parameter)!;
      errors[parameter] = digestError(actual, digest);
      if (digest.scale !== 0) continue;
      assert.ok(actual.every((value) => value === 0), `${parameter} must be exactly zero`);
    }
    const what = `${step} gradients`;
    assertGolden({ golden: `train/${name}`, what, by, tolerance: 2e-5 }, errors);
  } finally {
    golden.close();
    trainer.close();
  }
}

/** Share of entries of the weights that may be off by more than 1e-6 at lr 1e-4. */
const FAR_OFF = 1e-4;

for (const name of ["far-uncond", "far-action", "far-init", "far-long"]) {
  Deno.test({ name: `Trainer takes three steps of ${name}`, ...GPU_TEST }, async () => {
    const gpu = await testGpu();
    const { settings, steps } = await goldenRun(name);
    const weights = await goldenWeights(`train/${name}/init.safetensors`);
    const trainer = await Trainer.open(gpu, settings, weights);
    try {
      for (const [i, { seed, loss, grad_norm, lr, frames }] of steps.entries()) {
        const golden = await openGolden(`train/${name}/step${i + 1}.safetensors`);
        await trainer.restore({ ...await trainer.state(), random: new StepRandom(seed).state });
        assert.equal(await trainer.submit(await goldenBatch(golden)), undefined);
        golden.close();
        const result = (await trainer.flush())!;
        assert.deepEqual([result.step, result.lr, result.frames], [i + 1, lr, frames]);
        assert.ok(Math.abs(result.loss / loss - 1) <= 1e-5, `step ${i}: ${result.loss}, ${loss}`);
        assert.ok(Math.abs(result.gradNorm / grad_norm - 1) <= 1e-5);
      }
      await checkWeights(name, settings, await trainer.parameters("live"));
    } finally {
      trainer.close();
    }
  });
}

/** Weights after three steps, where the checkpoint of that run has them. */
const AFTER: Readonly<Record<string, string>> = { "far-action": "checkpoint-3/model" };

/** After Adam's first steps entries with gradients near 0 may be off by 2 lr per step. */
async function checkWeights(
  name: string,
  { lr }: TrainerSettings,
  parameters: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  const path = `train/${name}/${AFTER[name] ?? "after3"}.safetensors`;
  let [entries, off, worst] = [0, 0, 0];
  for (const [parameter, digest] of await readDigests(path)) {
    const actual = pickEntries(parameters.get(parameter)!, digest);
    for (const [i, value] of digest.values.entries()) {
      const difference = Math.abs(actual[i]! - value);
      worst = Math.max(worst, difference);
      entries++;
      if (difference > 1e-6 * lr / 1e-4) off++;
    }
  }
  console.error(`${name}: ${off} of ${entries} entries off, the worst by ${worst}`);
  assert.ok(off <= FAR_OFF * entries, `${off} of ${entries} entries are off, by up to ${worst}`);
  assert.ok(worst <= 6 * lr);
}
