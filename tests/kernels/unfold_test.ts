import assert from "node:assert/strict";
import { tensorKind } from "../../gpu/tuning.ts";
import { inKind } from "../../kernels/copy.ts";
import { fold, unfold } from "../../kernels/unfold.ts";
import { unfoldTwin } from "../reference/discriminator.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runBy } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

type Shape = readonly [b: number, h: number, w: number, c: number];

const CASES: readonly (readonly [Shape, 1 | 2])[] = [
  [[1, 2, 2, 4], 1],
  [[1, 2, 2, 4], 2],
  [[2, 5, 3, 8], 1],
  [[2, 5, 3, 8], 2],
  [[3, 7, 10, 12], 2],
  [[1, 3, 2, 20], 1],
  [[1, 40, 17, 4], 2],
];

for (const by of ["own kernels", "GPU kernels"]) {
  for (const [shape, stride] of CASES) {
    const name = `unfold [${shape}] by ${stride} has its values and its gradient, by ${by}`;
    Deno.test({ name, ...GPU_TEST }, async () => {
      const x = randomFloats(shape.reduce((a, b) => a * b), 1);
      const expected = unfoldTwin(x, shape, stride);
      const dy = randomFloats(expected.values.length, 2);
      const [y, dx] = await runBy(by, (p, input) => {
        const kind = tensorKind(p.device);
        const y = unfold(p, inKind(p, input([...shape], x), kind), stride);
        assert.deepEqual(y.shape, expected.shape);
        const dx = fold(p, inKind(p, input([...y.shape], dy), kind), shape, stride);
        return [y, dx].map((tensor) => inKind(p, tensor, "storage"));
      });
      assert.deepEqual(y, Float32Array.from(expected.values));
      const slopes = new Float64Array(x.length);
      expected.sources.forEach((source, i) => {
        if (source >= 0) slopes[source]! += dy[i]!;
      });
      assertClose(dx!, slopes, 1e-6, "dx");
    });
  }
}
