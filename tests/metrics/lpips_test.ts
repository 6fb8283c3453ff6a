import assert from "node:assert/strict";
import { type Backbone, lpips, type LpipsNetwork } from "../../metrics/lpips.ts";
import { randomNetwork } from "../support/lpips_network.ts";
import { randomFloats } from "../support/random.ts";

/** lpips 0.1.4 with these weights: of two pictures, and of the first and one that is near it. */
const REFERENCE = [
  ["alex", 64, 64, 0.7877101302146912, 0.010778585448861122],
  ["alex", 40, 72, 0.773320198059082, 0.010125319473445415],
  ["alex", 67, 35, 0.7925317287445068, 0.009930387139320374],
  ["vgg", 32, 32, 0.6534751057624817, 0.014717604964971542],
  ["vgg", 35, 19, 0.6590294241905212, 0.01426860224455595],
] as const;

const networks = new Map<Backbone, LpipsNetwork>();

for (const [backbone, width, height, far, near] of REFERENCE) {
  Deno.test(`lpips() is that of lpips 0.1.4: ${backbone}, ${width}x${height}`, () => {
    const network = networks.get(backbone) ?? randomNetwork(backbone);
    networks.set(backbone, network);
    const [a, b] = [11, 12].map((seed) =>
      randomFloats(3 * width * height, seed).map((value) => (value + 1) / 2)
    );
    const c = a!.map((value, i) => 0.9 * value + 0.1 * b![i]!);
    const of = (other: Float32Array) => lpips(network, a!, other, width, height);
    assert.ok(Math.abs(of(b!) - far) < 1e-5 * far, `${of(b!)}`);
    assert.ok(Math.abs(of(c) - near) < 1e-4 * near, `${of(c)}`);
    assert.equal(of(a!), 0);
  });
}

Deno.test("lpips() refuses pictures that its network reduces to nothing", () => {
  const network = networks.get("alex") ?? randomNetwork("alex");
  const picture = new Float32Array(3 * 16 * 16);
  assert.throws(() => lpips(network, picture, picture, 16, 16), /too small for its network/);
});
