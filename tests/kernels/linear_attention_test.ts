import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { linearAttention } from "../../kernels/linear_attention.ts";
import { linearAttentionReference } from "../reference/linear_attention.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/** b, h, w, groups, dim: as many tokens as dims or fewer go pair by pair, more by states. */
const SIZES = [
  [1, 1, 1, 1, 32],
  [2, 4, 8, 1, 32],
  [2, 3, 11, 2, 32],
  [1, 10, 10, 4, 32],
  [3, 2, 3, 3, 8],
  [1, 3, 3, 5, 8],
  [1, 1, 5, 2, 4],
  [2, 3, 7, 1, 12],
  [1, 5, 5, 1, 20],
  [2, 2, 7, 2, 20],
  [2, 1, 3, 1, 12],
] as const;

for (const [b, h, w, groups, dim] of SIZES) {
  const name = `linearAttention() matches the reference for [${b}, ${h}, ${w}] ${groups} x ${dim}`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const qkv = randomFloats(b * h * w * groups * 3 * dim, 1);
    const y = await runOnce((p, input) =>
      linearAttention(p, input([b, h, w, groups * 3 * dim], qkv), dim)
    );
    assertClose(y, linearAttentionReference(qkv, [b, h * w, groups, dim]), 1e-5);
  });
}

Deno.test(
  { name: "linearAttention() gives zeros where no key answers a query", ...GPU_TEST },
  async () => {
    for (const tokens of [4, 40]) {
      const qkv = randomFloats(tokens * 96, 1)
        .map((v, i) => i % 96 >= 32 && i % 96 < 64 ? -Math.abs(v) : v);
      const y = await runOnce((p, input) => linearAttention(p, input([1, 1, tokens, 96], qkv), 32));
      assert.deepEqual(y, new Float32Array(tokens * 32));
    }
  },
);

Deno.test("linearAttention() refuses channels that are not whole groups", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  assert.throws(() => linearAttention(p, memory.tensor("qkv", [1, 4, 4, 64]), 32), ShapeError);
});
