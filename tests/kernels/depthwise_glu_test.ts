import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { depthwiseGlu } from "../../kernels/depthwise_glu.ts";
import { packWeight } from "../../kernels/pack_weight.ts";
import { depthwiseGluReference } from "../reference/depthwise_glu.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/** Widths of all rests by four, with rows above, below, both and neither. */
const SIZES = [
  ...[[1, 1, 1, 8], [2, 3, 5, 24], [1, 8, 2, 40], [1, 4, 4, 256]],
  ...[[2, 2, 3, 8], [1, 1, 6, 16], [2, 2, 7, 8], [3, 1, 9, 8], [1, 2, 8, 8]],
] as [number, number, number, number][];

for (const [b, h, w, c] of SIZES) {
  Deno.test(
    { name: `depthwiseGlu() matches the reference for [${b}, ${h}, ${w}, ${c}]`, ...GPU_TEST },
    async () => {
      const x = randomFloats(b * h * w * c, 1, 2);
      const weight = randomFloats(c * 9, 2);
      const bias = randomFloats(c, 3);
      const y = await runOnce((p, input) => {
        const packed = p.memory.tensor("weight", [12, c]);
        packWeight(p, input([c, 9], weight).buffer, packed, { dtype: "F32", shape: [c, 9] });
        return depthwiseGlu(p, { weight: packed, bias: input([c], bias) }, input([b, h, w, c], x));
      });
      assertClose(y, depthwiseGluReference(x, weight, bias, [b, h, w, c]), 1e-5);
    },
  );
}

Deno.test("depthwiseGlu() refuses halves that are not whole vectors", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const w = { weight: memory.tensor("w", [12, 12]), bias: memory.tensor("b", [12]) };
  assert.throws(() => depthwiseGlu(p, w, memory.tensor("x", [1, 2, 2, 12])), ShapeError);
});
