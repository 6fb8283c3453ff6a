import assert from "node:assert/strict";
import { linear, type LinearOptions } from "../../kernels/linear.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import type { MemoryKind } from "../../gpu/memory.ts";
import type { LinearTuning } from "../../gpu/tuning.ts";
import { Program } from "../../gpu/program.ts";
import { gelu, linearReference, silu } from "../reference/linear.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { packed, unpad } from "../support/weights.ts";
import { randomFloats } from "../support/random.ts";

const SHAPES: [number, number, number][] = [
  [1, 4, 1],
  [3, 8, 5],
  [7, 12, 33],
  [16, 64, 64],
  [65, 36, 130],
  [130, 100, 40],
];

/** Weights in images are for the broadcasting form, in buffers for the tiled one. */
interface Form {
  readonly name: string;
  readonly kind: MemoryKind;
  readonly tuning: Partial<LinearTuning>;
}

const FORMS: Form[] = [
  { name: "broadcasts of 8 rows", kind: "image", tuning: { rows: 8 } },
  { name: "broadcasts of 16 rows", kind: "image", tuning: { rows: 16 } },
  { name: "broadcasts of 32 rows", kind: "image", tuning: { rows: 32 } },
  { name: "tiles", kind: "storage", tuning: { slices: 1 } },
  { name: "tiles in 2 slices", kind: "storage", tuning: { slices: 2 } },
  { name: "tiles in 4 slices", kind: "storage", tuning: { slices: 4 } },
];

for (const { name: by, kind, tuning } of FORMS) {
  for (const [m, k, n] of SHAPES) {
    const name = `M=${m} K=${k} N=${n} by ${by}`;
    Deno.test({ name: `linear() matches the reference for ${name}`, ...GPU_TEST }, async () => {
      const x = randomFloats(m * k, 1);
      const w = randomFloats(n * k, 2);
      const b = randomFloats(n, 3);
      const y = await runOnce((p, input) =>
        linear(p, packed(p, input, w, [n, k], b, "f32", kind), input([m, k], x), { tuning })
      );
      assertClose(unpad(y, m, n), linearReference(x, w, b, [m, k, n]), 1e-5);
    });
  }

  Deno.test(
    { name: `linear() takes f16 weights by ${by}`, ...GPU_TEST },
    async () => {
      const [m, k, n] = [9, 36, 40] as const;
      const x = randomFloats(m * k, 1);
      const w = randomFloats(n * k, 2).map(Math.f16round);
      const y = await runOnce((p, input) =>
        linear(p, packed(p, input, w, [n, k], undefined, "f16", kind), input([m, k], x), { tuning })
      );
      assertClose(y, linearReference(x, w, undefined, [m, k, n]), 1e-5);
    },
  );
}

/** One of each, for what both must do after the product. */
const BOTH = [FORMS[0]!, FORMS[5]!];

const EPILOGUES: [string, LinearOptions, (v: number) => number][] = [
  ["GELU after", { output: "gelu" }, gelu],
  ["SiLU after", { output: "silu" }, silu],
];

for (const [name, options, after] of EPILOGUES) {
  for (const { name: by, kind, tuning } of BOTH) {
    Deno.test(
      { name: `linear() applies ${name} by ${by}`, ...GPU_TEST },
      async () => {
        const [m, k, n] = [5, 16, 12] as const;
        const x = randomFloats(m * k, 1, 8);
        const w = randomFloats(n * k, 2);
        const y = await runOnce((p, input) =>
          linear(p, packed(p, input, w, [n, k], undefined, "f32", kind), input([m, k], x), {
            ...options,
            tuning,
          })
        );
        assertClose(y, linearReference(x, w, undefined, [m, k, n], after), 1e-5);
      },
    );
  }
}

for (const { name: by, kind, tuning } of BOTH) {
  Deno.test({ name: `linear() adds its value to y by ${by}`, ...GPU_TEST }, async () => {
    const [m, k, n] = [5, 8, 12] as const;
    const [x, w, y0] = [randomFloats(m * k, 1), randomFloats(n * k, 2), randomFloats(m * n, 4)];
    const y = await runOnce((p, input) =>
      linear(p, packed(p, input, w, [n, k], undefined, "f32", kind), input([m, k], x), {
        into: { y: input([m, n], y0) },
        tuning,
      })
    );
    const value = linearReference(x, w, undefined, [m, k, n]);
    assertClose(y, y0.map((old, i) => old + value[i]!), 1e-5);
  });

  Deno.test(
    { name: `linear() adds gate times value, the gate by frame, by ${by}`, ...GPU_TEST },
    async () => {
      const [m, k, n, tokens] = [6, 8, 12, 2] as const;
      const x = randomFloats(m * k, 1);
      const w = randomFloats(n * k, 2);
      const b = randomFloats(n, 3);
      const y0 = randomFloats(m * n, 4);
      const table = randomFloats(4 * 24, 5);
      const rows = [3, 0, 2];
      const y = await runOnce((p, input) => {
        const into = input([m, n], y0);
        const frames = input([3, 4], Uint32Array.from(rows.flatMap((row) => [row, 0, 0, 0])));
        const gate = { table: input([4, 24], table), frames, tokens, offset: 8 };
        return linear(p, packed(p, input, w, [n, k], b, "f32", kind), input([m, k], x), {
          into: { y: into, gate },
          tuning,
        });
      });
      const value = linearReference(x, w, b, [m, k, n]);
      const expected = y0.map((old, i) => {
        const row = rows[Math.floor(Math.floor(i / n) / tokens)]!;
        return old + table[row * 24 + 8 + i % n]! * value[i]!;
      });
      assertClose(y, expected, 1e-5);
    },
  );
}

Deno.test("linear() refuses an input of the wrong width", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const weight = memory.tensor("w", [8, 8]);
  const x = memory.tensor("x", [2, 12]);
  assert.throws(() => linear(p, { weight, inputs: 8, outputs: 8 }, x), ShapeError);
});
