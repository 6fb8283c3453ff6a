import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { mergeAttention } from "../../kernels/merge_attention.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

for (const [rows, split] of [[1, 2], [7, 3], [130, 16]] as const) {
  const name = `mergeAttention() weighs ${split} parts of ${rows} rows, empty ones too`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const parts = randomFloats(rows * split * 68, 1, 2);
    for (let i = 0; i < rows * split; i++) {
      const empty = i % split === split - 1;
      if (empty) parts.fill(0, i * 68, i * 68 + 64);
      // maximum and total, as attention leaves them
      parts[i * 68 + 64] = empty ? -1e30 : 20 * parts[i * 68 + 64]!;
      parts[i * 68 + 65] = empty ? 0 : 1 + Math.abs(parts[i * 68 + 65]!);
    }
    const actual = await runOnce((p, input) => {
      const out = p.memory.tensor("out", [rows, 64]);
      mergeAttention(p, input([rows, split, 68], parts), out);
      return out;
    });
    assertClose(actual, merged(parts, rows, split), 2e-6);
  });
}

Deno.test("mergeAttention() refuses a result of other rows", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const parts = memory.tensor("parts", [6, 2, 68]);
  assert.throws(() => mergeAttention(p, parts, memory.tensor("out", [5, 64])), ShapeError);
  const narrow = memory.tensor("parts", [6, 2, 64]);
  assert.throws(() => mergeAttention(p, narrow, memory.tensor("out", [6, 64])), ShapeError);
});

/** Parts are sums relative to their own maximum: brought to zero, added and divided. */
function merged(parts: Float32Array, rows: number, split: number): Float64Array {
  const out = new Float64Array(rows * 64);
  for (let row = 0; row < rows; row++) {
    let total = 0;
    for (let s = 0; s < split; s++) {
      const at = (row * split + s) * 68;
      const weight = Math.exp(parts[at + 64]!);
      total += weight * parts[at + 65]!;
      for (let i = 0; i < 64; i++) out[row * 64 + i]! += weight * parts[at + i]!;
    }
    for (let i = 0; i < 64; i++) out[row * 64 + i]! /= total;
  }
  return out;
}
