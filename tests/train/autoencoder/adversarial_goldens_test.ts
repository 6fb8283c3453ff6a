import assert from "node:assert/strict";
import { assertGolden } from "../../support/close.ts";
import { goldenJoined, goldenSecond } from "../../support/autoencoder_training.ts";
import { type Digest, digestError, pickEntries, readDigests } from "../../support/digest.ts";
import { GPU_TEST } from "../../support/gpu.ts";

const golden = "train/dcae";
const LR = 1e-4;

const CASES = [["own kernels", false], ["own kernels", true], ["GPU kernels", false]] as const;

for (const [by, recompute] of CASES) {
  const again = recompute ? ", computing blocks twice" : "";
  const title = `AutoencoderTrainer finds gradients against a discriminator by ${by}${again}`;
  Deno.test({ name: title, ...GPU_TEST }, async () => {
    const trainer = await goldenJoined(by, recompute);
    try {
      const { batch, loss } = await goldenSecond();
      const found = await trainer.gradients(batch);
      assert.ok(Math.abs(found.loss / loss.own - 1) <= 1e-5, `loss ${found.loss}`);
      const errors: Record<string, number> = {};
      const path = `${golden}/step2.safetensors`;
      for (const [name, digest] of await readDigests(path, "grad.")) {
        errors[name] = digestError(found.gradients.get(name)!, digest);
      }
      for (const [name, gradient] of found.gradients) {
        if (name in errors) continue;
        assert.ok(name.startsWith("encoder."), name);
        assert.ok(gradient.every((value) => value === 0), `${name} rests`);
      }
      for (const [name, digest] of await readDigests(path, "grad_disc.")) {
        errors[name] = digestError(found.discriminator!.get(name)!, digest);
      }
      assertGolden({ golden, what: "step2 gradients", by, tolerance: 2e-5 }, errors);
    } finally {
      trainer.close();
    }
  });
}

/** Counts entries that are off; none may be farther than a step can lead the wrong way. */
function countOff(name: string, actual: Float32Array, digest: Digest): number {
  const picked = pickEntries(actual, digest);
  assert.equal(picked.length, digest.values.length, name);
  const far = digest.values.map((value, i) => Math.abs(value - picked[i]!));
  // entries whose gradient is about zero may go the other way, in both steps
  assert.ok(far.every((error) => error <= 4.002 * LR), `${name}: ${Math.max(...far)}`);
  return far.filter((error) => error > 1e-6).length;
}

Deno.test({ name: "AutoencoderTrainer takes the golden step of a GAN", ...GPU_TEST }, async () => {
  const trainer = await goldenJoined("own kernels", false);
  try {
    const before = await trainer.state();
    const { batch, loss, gradNorm } = await goldenSecond();
    await trainer.submit(batch);
    const result = (await trainer.flush())!;
    const near = (a: number, b: number) => assert.ok(Math.abs(a / b - 1) <= 1e-5, `${a}, not ${b}`);
    near(result.loss, loss.own);
    near(result.generatorLoss!, loss.generator);
    near(result.discriminatorLoss!, loss.discriminator);
    near(result.gradNorm, gradNorm);
    const { parameters, ema, discriminator } = await trainer.state();
    const sources = { "decoder.": parameters, "disc.": discriminator!.parameters, "ema.": ema! };
    let [entries, off] = [0, 0];
    for (const [prefix, source] of Object.entries(sources)) {
      for (const [rest, digest] of await readDigests(`${golden}/after2.safetensors`, prefix)) {
        const name = prefix === "decoder." ? prefix + rest : rest;
        const actual = source.get(name)!;
        if (/running_(mean|var)$/.test(name)) {
          assert.ok(digestError(actual, digest) <= 1e-5, name);
          continue;
        }
        entries += digest.values.length;
        off += countOff(name, actual, digest);
      }
    }
    assert.ok(off <= 1e-3 * entries, `${off} of ${entries} entries are off`);
    for (const [name, values] of before.parameters) {
      if (name.startsWith("encoder.")) assert.deepEqual(parameters.get(name), values, name);
    }
    assert.equal(discriminator!.step, 1);
  } finally {
    trainer.close();
  }
});
