import assert from "node:assert/strict";
import { AutoencoderTrainer } from "../../../train/autoencoder/trainer.ts";
import { assertGolden } from "../../support/close.ts";
import { goldenPictures } from "../../support/autoencoder_training.ts";
import { digestError, pickEntries, readDigests } from "../../support/digest.ts";
import { GPU_TEST, KERNELS, testGpu } from "../../support/gpu.ts";
import { goldenWeights } from "../../support/train.ts";

const golden = "train/dcae";

const RECOMPUTE: Readonly<Record<string, readonly boolean[]>> = {
  "own kernels": [false, true],
  "GPU kernels": [false],
};

for (const [by, choices] of Object.entries(RECOMPUTE)) {
  for (const recompute of choices) {
    const again = recompute ? ", computing blocks twice" : "";
    const title = `AutoencoderTrainer finds loss and gradients by ${by}${again}`;
    Deno.test({ name: title, ...GPU_TEST }, async () => {
      const gpu = await testGpu();
      const { settings, batch, loss: expected } = await goldenPictures();
      const weights = await goldenWeights(`${golden}/init.safetensors`);
      const options = { device: KERNELS[by]!(gpu) };
      const trainer = await AutoencoderTrainer.open(
        gpu,
        { ...settings, recompute },
        weights,
        options,
      );
      try {
        const { loss, gradients } = await trainer.gradients(batch);
        assert.ok(Math.abs(loss / expected - 1) <= 1e-5, `loss ${loss}, not ${expected}`);
        const errors: Record<string, number> = {};
        for (const [name, digest] of await readDigests(`${golden}/step1.safetensors`, "grad.")) {
          errors[name] = digestError(gradients.get(name)!, digest);
        }
        assert.equal(Object.keys(errors).length, gradients.size);
        assertGolden({ golden, what: "step1 gradients", by, tolerance: 2e-5 }, errors);
      } finally {
        trainer.close();
      }
    });
  }
}

for (const recompute of [false, true]) {
  const title = `AutoencoderTrainer takes the golden step, recompute ${recompute}`;
  Deno.test({ name: title, ...GPU_TEST }, async () => {
    const gpu = await testGpu();
    const { settings, batch, gradNorm } = await goldenPictures();
    const weights = await goldenWeights(`${golden}/init.safetensors`);
    const trainer = await AutoencoderTrainer.open(gpu, { ...settings, recompute }, weights);
    try {
      assert.equal(await trainer.submit(batch), undefined);
      const result = (await trainer.flush())!;
      assert.ok(Math.abs(result.gradNorm / gradNorm - 1) <= 1e-5);
      const { parameters } = await trainer.state();
      let [entries, off] = [0, 0];
      for (const [name, digest] of await readDigests(`${golden}/after1.safetensors`)) {
        const { values, scale } = digest;
        const actual = parameters.get(name)!;
        const error = digestError(actual, digest);
        if (/running_(mean|var)$/.test(name)) {
          assert.ok(error <= 1e-5, `${name}: ${error}`);
          continue;
        }
        entries += values.length;
        const picked = pickEntries(actual, digest);
        off += values.filter((value, i) => Math.abs(value - picked[i]!) > 1e-6).length;
        // entries whose gradient is about zero may go the other way
        assert.ok(error * scale <= 2.001 * settings.lr, `${name}: ${error * scale}`);
      }
      console.error(`${off} of ${entries} entries off`);
      assert.ok(off <= 1e-3 * entries, `${off} of ${entries} entries are off`);
    } finally {
      trainer.close();
    }
  });
}
