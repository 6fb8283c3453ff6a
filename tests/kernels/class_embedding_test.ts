import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { classEmbedding } from "../../kernels/class_embedding.ts";
import { classEmbeddingReference } from "../reference/class_embedding.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const SHAPES: [rows: number, width: number, entries: number][] = [
  [1, 1, 1],
  [3, 7, 4],
  [65, 68, 11],
  [8193, 513, 3], // more than 65535 workgroups
];

for (const [rows, width, entries] of SHAPES) {
  for (const activation of [undefined, "silu"] as const) {
    const name = `${rows} rows of ${width}${activation ? " with SiLU" : ""}`;
    Deno.test(
      { name: `classEmbedding() matches the reference for ${name}`, ...GPU_TEST },
      async () => {
        const x = randomFloats(rows * width, 1, 4);
        const table = randomFloats(entries * width, 2);
        // every entry, one past the end, and the largest number
        const index = Array.from(
          { length: rows },
          (_, i) => i % 9 === 8 ? 0xffffffff : i % (entries + 1),
        );
        const actual = await runOnce((p, input) =>
          classEmbedding(p, input([rows, width], x), {
            table: input([entries, width], table),
            index: input([rows], Uint32Array.from(index)),
            activation,
          })
        );
        assertClose(actual, classEmbeddingReference(x, width, table, index, activation), 1e-6);
      },
    );
  }
}

Deno.test({ name: "classEmbedding() of a model without classes is x", ...GPU_TEST }, async () => {
  const x = randomFloats(12);
  const actual = await runOnce((p, input) =>
    classEmbedding(p, input([3, 4], x), {
      table: undefined,
      index: input([3], new Uint32Array(3)),
    })
  );
  assert.deepEqual(actual, x);
});

Deno.test("classEmbedding() refuses a table of another width", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const table = memory.tensor("table", [2, 8]);
  const index = memory.tensor("index", [3], "u32");
  assert.throws(() => classEmbedding(p, memory.tensor("x", [3, 4]), { table, index }), ShapeError);
});
