import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ropeAngles, ropeSpace, rounded, timestepProjection } from "../../model/embeddings.ts";
import { flowMatchTimes } from "../../model/scheduler.ts";
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

function sha256(values: Float32Array<ArrayBuffer>): string {
  return createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
}

// PyTorch 2.5.1 and diffusers 0.32.2: sha256 of float32 bytes after .to(torch.bfloat16)

Deno.test("rounded() gives frames 0 to 4096 the positions that PyTorch gives", () => {
  const positions = Float32Array.from({ length: 4097 }, (_, frame) => rounded(frame, "bf16"));
  assert.deepEqual([...positions.subarray(255, 262)], [255, 256, 256, 258, 260, 260, 260]);
  assert.equal(
    sha256(positions),
    "efb1b2deae431435094918d0417b678cca700dc303a55de009b73bdae7c54db1",
  );
  assert.equal(rounded(257, "exact"), 257);
});

Deno.test("rounded() gives the timesteps of training, all 1000, as PyTorch does", () => {
  const { fround } = Math;
  const timesteps = Float32Array.from(
    { length: 1000 },
    (_, i) => rounded(fround(fround((1000 - i) / 1000) * 1000), "bf16"),
  );
  assert.equal(timesteps[269], 732);
  assert.equal(
    sha256(timesteps),
    "784dde0686888ab0ca686a99b0d19988a56fbae8c8c12d43dd5765bb6682c4a1",
  );
  for (const timestep of [-1, -2]) assert.equal(rounded(timestep, "bf16"), timestep);
});

Deno.test("rounded() gives the timesteps of 1 to 1000 steps as PyTorch does", () => {
  const all: number[] = [];
  for (let steps = 1; steps <= 1000; steps++) {
    for (const timestep of flowMatchTimes(steps).timesteps) all.push(rounded(timestep, "bf16"));
  }
  assert.equal(all.length, 500500);
  assert.equal(
    sha256(Float32Array.from(all)),
    "b3789f6513299f316f0b08caeefc6911c8dc1ea72afed2e727968c4ec0611b51",
  );
});
