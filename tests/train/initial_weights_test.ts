import assert from "node:assert/strict";
import { initialWeights } from "../../train/initial_weights.ts";
import { listParameters } from "../../train/parameters.ts";
import { goldenRun, goldenWeights } from "../support/train.ts";
import { SMALL_CONFIG } from "./small_trainer.ts";

Deno.test("initialWeights() are the released ones", async () => {
  const parameters = listParameters({ ...SMALL_CONFIG, d: 256, heads: 4 });
  const source = initialWeights(1, parameters);
  const deviation = (values: Float32Array) =>
    Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  for (const { name, shape } of parameters) {
    const values = await source(name, shape);
    const zero = /(norm[12]\.linear|norm_out\.linear|proj_out)\./.test(name) ||
      name.endsWith(".bias");
    if (zero) assert.ok(values.every((value) => value === 0), name);
    else if (/norm_(added_)?[qk]/.test(name)) assert.ok(values.every((value) => value === 1), name);
    else if (/table|timestep/.test(name)) assert.ok(Math.abs(deviation(values) / 0.02 - 1) < 0.1);
    else {
      const bound = Math.sqrt(6 / (shape[0]! + shape[1]!));
      assert.ok(values.every((value) => Math.abs(value) <= bound), name);
      assert.ok(Math.abs(deviation(values) * Math.sqrt(3) / bound - 1) < 0.1, name);
    }
  }
});

Deno.test("initialWeights() are PyTorch's of the same seed, to the bit", async () => {
  const { settings: { config, seed } } = await goldenRun("far-init");
  const golden = await goldenWeights("train/far-init/init.safetensors");
  const parameters = listParameters(config);
  const source = initialWeights(seed, parameters);
  for (const { name, shape } of parameters.toReversed()) {
    assert.deepEqual(await source(name, shape), await golden(name, shape), name);
  }
});
