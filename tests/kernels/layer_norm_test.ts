import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { layerNorm } from "../../kernels/layer_norm.ts";
import { layerNormReference } from "../reference/layer_norm.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/** Sums of d products in float32. */
const TOLERANCE = 2e-6;

const SHAPES: [b: number, f: number, t: number, d: number, offset: number][] = [
  [1, 1, 1, 4, 0],
  [2, 3, 5, 100, 0],
  [1, 2, 64, 768, 0],
  // a mean that is large against the deviation must not cancel
  [1, 1, 3, 260, 1000],
  // more than 65535 workgroups
  [1, 1, 65537, 4, 0],
];

for (const [b, f, t, d, offset] of SHAPES) {
  const name = `B=${b} F=${f} T=${t} d=${d} mean ${offset}`;
  Deno.test({ name: `layerNorm() matches the reference for ${name}`, ...GPU_TEST }, async () => {
    const x = randomFloats(b * f * t * d, 1).map((v) => v + offset);
    const stride = 2 * d + 8;
    const table = randomFloats(5 * stride, 2);
    const rows = Array.from({ length: b * f }, (_, i) => (3 * i + 1) % 5);
    const actual = await runOnce((p, input) => {
      const frames = input([b, f, 4], Uint32Array.from(rows.flatMap((row) => [row, 9, 9, 9])));
      const modulation = { table: input([5, stride], table), frames, tokens: t };
      return layerNorm(p, input([b, f, t, d], x), { ...modulation, shift: d + 8, scale: 4 });
    });
    const expected = layerNormReference(x, d, (row) => {
      const at = rows[Math.floor(row / t)]! * stride;
      return { scale: table.subarray(at + 4), shift: table.subarray(at + d + 8) };
    });
    // x itself is only known to 1 / 2^24 of its mean
    assertClose(actual, expected, Math.max(TOLERANCE, offset * 2 ** -23));
  });
}

Deno.test({ name: "layerNorm() turns a constant row into its shift", ...GPU_TEST }, async () => {
  const actual = await runOnce((p, input) => {
    const frames = input([1, 1, 4], Uint32Array.of(0, 0, 0, 0));
    const table = input([1, 16], Float32Array.from({ length: 16 }, (_, i) => i));
    const x = input([1, 1, 1, 8], new Float32Array(8).fill(3));
    return layerNorm(p, x, { table, frames, tokens: 1, shift: 8, scale: 0 });
  });
  assert.deepEqual([...actual], [8, 9, 10, 11, 12, 13, 14, 15]);
});

const REFUSED: [string, number[], number[]][] = [
  ["a width that is no multiple of 4", [1, 1, 1, 6], [1, 64]],
  ["a table that is too narrow", [1, 1, 1, 8], [1, 12]],
  ["an input without frames", [4, 8], [1, 16]],
];

for (const [what, shape, tableShape] of REFUSED) {
  Deno.test(`layerNorm() refuses ${what}`, () => {
    const memory = new Memory();
    const p = new Program("test", memory);
    const table = memory.tensor("table", tableShape);
    const frames = memory.tensor("frames", [1, 1, 4], "u32");
    const modulation = { table, frames, tokens: 1 };
    assert.throws(
      () => layerNorm(p, memory.tensor("x", shape), { ...modulation, shift: 8, scale: 0 }),
      ShapeError,
    );
  });
}
