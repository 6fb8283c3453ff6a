import assert from "node:assert/strict";
import { SyntheticWeights } from "../../model/synthetic_weights.ts";

async function floats(name: string, shape: number[]): Promise<Float32Array> {
  const source = new SyntheticWeights();
  const info = source.expect(name, shape);
  return new Float32Array((await source.readRange(info, 0, info.bytes)).buffer as ArrayBuffer);
}

Deno.test("SyntheticWeights gives a matrix the variance that keeps its outputs' size", async () => {
  const values = await floats("attn.to_q.weight", [64, 256]);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.002, `mean ${mean}`);
  assert.ok(Math.abs(variance * 256 - 1) < 0.05, `variance ${variance}`);
});

Deno.test("SyntheticWeights makes factors near 1, variances positive, offsets near 0", async () => {
  for (const name of ["norm.weight", "norm.running_var"]) {
    assert.ok((await floats(name, [999])).every((v) => v >= 0.9 && v <= 1.1), name);
  }
  assert.ok((await floats("norm.bias", [999])).every((v) => Math.abs(v) <= 0.1));
});

Deno.test("SyntheticWeights gives ranges that fit together, other names other values", async () => {
  const source = new SyntheticWeights();
  const info = source.expect("a.weight", [7, 300]);
  const whole = await source.readRange(info, 0, info.bytes);
  const part = await source.readRange(info, 1200, 2400, new Uint8Array(2400));
  assert.deepEqual(part, whole.slice(1200, 3600));
  const other = await source.readRange(source.expect("b.weight", [7, 300]), 0, info.bytes);
  assert.notDeepEqual(other, whole);
});
