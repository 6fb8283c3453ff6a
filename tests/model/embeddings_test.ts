import assert from "node:assert/strict";
import { ropeAngles, ropeSpace, timestepProjection } from "../../model/embeddings.ts";
import { relativeError } from "../support/close.ts";
import { openGolden } from "../support/far.ts";

/** The goldens are float32: one rounding each way. */
const TOLERANCE = 2e-7;

Deno.test("timestepProjection() agrees with the released code", async () => {
  const golden = await openGolden("embeddings.safetensors");
  const timesteps = await golden.floats("timestep");
  const expected = await golden.floats("timestep_projection");
  let off = 0;
  for (const [i, t] of timesteps.entries()) {
    const row = expected.subarray(i * 256, (i + 1) * 256);
    const actual = timestepProjection(t);
    // at t = 1000 one ulp of the frequency is 6e-5 of the angle
    const error = relativeError(actual, row);
    assert.ok(error <= 1e-4, `timestep ${t}: ${error}`);
    off += actual.filter((v, j) => Math.abs(v - row[j]!) > 1e-6).length;
  }
  // PyTorch's exp is not always the nearest float: one of the 128 frequencies differs
  assert.ok(off <= 8, `${off} of 2048 numbers`);
  golden.close();
});

Deno.test("ropeAngles() agree with the released code for every axis", async () => {
  const golden = await openGolden("embeddings.safetensors");
  const ids = await golden.floats("rope.ids");
  const cos = await golden.floats("rope.cos");
  const sin = await golden.floats("rope.sin");
  const axes = [16, 24, 24];
  for (let token = 0; token < ids.length / 3; token++) {
    const angles = axes.flatMap((dim, axis) => [...ropeAngles(ids[token * 3 + axis]!, dim)]);
    for (let i = 0; i < 64; i++) {
      const pair = i - i % 2;
      assert.ok(Math.abs(angles[pair]! - cos[token * 64 + i]!) <= TOLERANCE);
      assert.ok(Math.abs(angles[pair + 1]! - sin[token * 64 + i]!) <= TOLERANCE);
    }
  }
  golden.close();
});

Deno.test("ropeSpace() holds row angles, then column angles, per position", () => {
  const table = ropeSpace(3, 24, 24);
  assert.equal(table.length, 3 * 48);
  assert.deepEqual(table.subarray(48, 72), ropeAngles(1, 24));
  assert.deepEqual(table.subarray(72, 96), ropeAngles(1, 24));
});
