import assert from "node:assert/strict";
import { tensorKind } from "../../gpu/tuning.ts";
import {
  adaptiveSum,
  adversarialLoss,
  type AdversarialSide,
} from "../../kernels/adversarial_loss.ts";
import { inKind } from "../../kernels/copy.ts";
import { differences } from "../reference/training.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runBy } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const LOSSES: Readonly<Record<AdversarialSide, (logit: number) => number>> = {
  making: (logit) => -logit,
  given: (logit) => Math.max(0, 1 - logit) / 2,
  made: (logit) => Math.max(0, 1 + logit) / 2,
};

for (const by of ["own kernels", "GPU kernels"]) {
  for (const [side, loss] of Object.entries(LOSSES) as [AdversarialSide, typeof LOSSES.made][]) {
    for (const shape of [[1, 1, 1], [2, 3, 5], [3, 9, 11]]) {
      const name = `adversarialLoss() of ${side} pictures [${shape}] has its gradient, by ${by}`;
      Deno.test({ name, ...GPU_TEST }, async () => {
        const count = shape.reduce((a, b) => a * b);
        const logits = randomFloats(count, 3, 3);
        const four = new Float32Array(4 * count).fill(9);
        logits.forEach((value, i) => four[4 * i] = value);
        const [slopes, results] = await runBy(by, (p, input) => {
          const results = input([4], Float32Array.of(0, 0.5, 0, 0));
          const given = inKind(p, input([...shape, 4], four), tensorKind(p.device));
          const slopes = adversarialLoss(p, side, given, 0.25, { results, slot: 1 });
          return [inKind(p, slopes, "storage"), results];
        });
        const mean = (values: ArrayLike<number>) =>
          0.25 * Array.from(values, loss).reduce((a, b) => a + b, 0) / count;
        assert.ok(Math.abs(results![1]! - 0.5 - mean(logits)) < 1e-6);
        const expected = differences(logits, mean, 1e-6).flatMap((value) => [value, 0, 0, 0]);
        assertClose(slopes!, expected, 1e-5);
      });
    }
  }
}

const RATIOS: readonly (readonly [title: string, r: number, a: number, w: number])[] = [
  ["smaller", 0.04, 4, 0.1],
  ["larger", 9, 1, 3],
  ["none", 9, 0, 10_000],
  ["nothing to weigh", 0, 1, 0],
];

for (const [title, r, a, w] of RATIOS) {
  Deno.test({ name: `adaptiveSum() weighs by norms, ${title}`, ...GPU_TEST }, async () => {
    const [dy, dg] = [randomFloats(1000, 1), randomFloats(1000, 2)];
    const [sum, results] = await runBy("own kernels", (p, input) => {
      const target = input([250, 4], dy);
      const results = input([4], Float32Array.of(0, 0, 2, 0));
      const sums = input([4], Float32Array.of(-3, r, a, 0));
      const weight = { weight: 0.5, eps: 1e-12 };
      adaptiveSum(p, { sums, dg: input([250, 4], dg), dy: target }, weight, { results, slot: 2 });
      return [target, results];
    });
    assertClose(sum!, dy.map((value, i) => value + 0.5 * w * dg[i]!), 1e-6);
    assert.ok(Math.abs(results![2]! - (2 - 1.5 * w)) <= 1e-6 * (1 + w));
  });
}
