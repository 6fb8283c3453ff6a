import assert from "node:assert/strict";
import { linear, type LinearOptions } from "../../kernels/linear.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import type { MemoryKind } from "../../gpu/memory.ts";
import { type DeviceProfile, type ProductTuning, tensorKind } from "../../gpu/tuning.ts";
import { Program } from "../../gpu/program.ts";
import { packedShape } from "../../kernels/pack_weight.ts";
import { layerNormReference } from "../reference/layer_norm.ts";
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

/** Weights in images are for the broadcasting form, in buffers for the tiled ones. */
interface Form {
  readonly name: string;
  readonly kind: MemoryKind;
  /** Where x lies (in a buffer). */
  readonly from?: "texture";
  readonly tuning: Partial<ProductTuning>;
}

/** Rows, slices, blocks and weights ahead. */
const TILES = [
  [32, 1, 1, 4],
  [32, 2, 2, 2],
  [32, 4, 1, 1],
  [64, 1, 2, 1],
  [64, 2, 1, 4],
] as const;

const FORMS: Form[] = [
  { name: "broadcasts of 8 rows", kind: "texture", tuning: { rows: 8 } },
  { name: "broadcasts of 16 rows", kind: "texture", tuning: { rows: 16 } },
  { name: "broadcasts of 32 rows", kind: "texture", tuning: { rows: 32 } },
  ...[0, 1].flatMap((shuffle) =>
    TILES.map(([tile, slices, blocks, ahead]): Form => ({
      name: `${shuffle ? "shuffled " : ""}tiles of ${tile} rows by ${blocks} blocks in ${slices} ` +
        `slices, ${ahead} ahead`,
      kind: "storage",
      tuning: { tile, slices, blocks, ahead, shuffle },
    }))
  ),
  ...([[32, 1, 0, 4], [32, 4, 1, 8], [64, 2, 0, 16]] as const).map(
    ([tile, slices, shuffle, split]): Form => ({
      name: `tiles of ${tile} rows by ${split} workgroups with ${slices} slices`,
      kind: "storage",
      tuning: { tile, slices, shuffle, split },
    }),
  ),
  ...[8, 16, 32].map((rows): Form => ({
    name: `broadcasts of ${rows} rows in an image`,
    kind: "texture",
    from: "texture",
    tuning: { rows },
  })),
];

for (const { name: by, kind, from, tuning } of FORMS) {
  for (const [m, k, n] of SHAPES) {
    const name = `M=${m} K=${k} N=${n} by ${by}`;
    Deno.test({ name: `linear() matches the reference for ${name}`, ...GPU_TEST }, async () => {
      const x = randomFloats(m * k, 1);
      const w = randomFloats(n * k, 2);
      const b = randomFloats(n, 3);
      const y = await runOnce((p, input) =>
        linear(p, packed(p, input, w, [n, k], b, "f32", kind), input([m, k], x, { kind: from }), {
          tuning,
        })
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
        linear(
          p,
          packed(p, input, w, [n, k], undefined, "f16", kind),
          input([m, k], x, { kind: from }),
          { tuning },
        )
      );
      assertClose(y, linearReference(x, w, undefined, [m, k, n]), 1e-5);
    },
  );
}

/** One of each form, for what all must do before and after the product. */
const EACH = [FORMS[0]!, FORMS[5]!, FORMS[12]!, FORMS[14]!, FORMS.at(-1)!];

const EPILOGUES: [string, LinearOptions, (v: number) => number][] = [
  ["GELU after", { output: "gelu" }, gelu],
  ["SiLU after", { output: "silu" }, silu],
];

for (const [name, options, after] of EPILOGUES) {
  for (const { name: by, kind, from, tuning } of EACH) {
    Deno.test(
      { name: `linear() applies ${name} by ${by}`, ...GPU_TEST },
      async () => {
        const [m, k, n] = [5, 16, 12] as const;
        const x = randomFloats(m * k, 1, 8);
        const w = randomFloats(n * k, 2);
        const y = await runOnce((p, input) =>
          linear(
            p,
            packed(p, input, w, [n, k], undefined, "f32", kind),
            input([m, k], x, { kind: from }),
            {
              ...options,
              tuning,
            },
          )
        );
        assertClose(y, linearReference(x, w, undefined, [m, k, n], after), 1e-5);
      },
    );
  }
}

for (const { name: by, kind, from, tuning } of EACH) {
  Deno.test({ name: `linear() adds its value to y by ${by}`, ...GPU_TEST }, async () => {
    const [m, k, n] = [5, 8, 12] as const;
    const [x, w, y0] = [randomFloats(m * k, 1), randomFloats(n * k, 2), randomFloats(m * n, 4)];
    const y = await runOnce((p, input) =>
      linear(
        p,
        packed(p, input, w, [n, k], undefined, "f32", kind),
        input([m, k], x, { kind: from }),
        {
          into: { y: input([m, n], y0) },
          tuning,
        },
      )
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
        return linear(
          p,
          packed(p, input, w, [n, k], b, "f32", kind),
          input([m, k], x, { kind: from }),
          {
            into: { y: into, gate },
            tuning,
          },
        );
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

/** Widths that leave lanes without a part of a row, or give them several. */
const NORMS: [b: number, f: number, t: number, k: number, offset: number][] = [
  [1, 1, 1, 4, 0],
  [2, 2, 5, 36, 0],
  [1, 2, 40, 260, 0],
  // a mean that is large against the deviation must not cancel
  [1, 1, 3, 132, 1000],
];

for (const { name: by, kind, tuning } of FORMS.slice(2)) {
  for (const [b, f, t, k, offset] of NORMS) {
    const name = `B=${b} F=${f} T=${t} K=${k} mean ${offset} by ${by}`;
    Deno.test(
      { name: `linear() normalises and modulates x first, ${name}`, ...GPU_TEST },
      async () => {
        const [m, n, stride] = [b * f * t, 40, 2 * k + 8];
        const x = randomFloats(m * k, 1).map((v) => v + offset);
        const w = randomFloats(n * k, 2);
        const table = randomFloats(5 * stride, 3);
        const rows = Array.from({ length: b * f }, (_, i) => (3 * i + 1) % 5);
        const y = await runOnce((p, input) => {
          const frames = input([b, f, 4], Uint32Array.from(rows.flatMap((row) => [row, 9, 9, 9])));
          const modulation = { table: input([5, stride], table), frames, tokens: t };
          const norm = { ...modulation, shift: k + 8, scale: 4 };
          const weights = packed(p, input, w, [n, k], undefined, "f32", kind);
          return linear(p, weights, input([b, f, t, k], x), { norm, tuning });
        });
        const normed = layerNormReference(x, k, (row) => {
          const at = rows[Math.floor(row / t)]! * stride;
          return { scale: table.subarray(at + 4), shift: table.subarray(at + k + 8) };
        });
        // x itself is only known to 1 / 2^24 of its mean
        const tolerance = Math.max(1e-5, offset * 2 ** -22);
        assertClose(y, linearReference(normed, w, undefined, [m, k, n]), tolerance);
      },
    );
  }
}

Deno.test("linear() normalises on the way where loads are cheap, in a pass of its own elsewhere", () => {
  const dispatches = (device: DeviceProfile) => {
    const p = new Program("test", new Memory(), device);
    p.scope(() => {
      const weight = p.memory.tensor("w", packedShape(8, 8), "f32", tensorKind(device));
      const frames = p.memory.tensor("frames", [1, 1, 4], "u32");
      const table = p.memory.tensor("table", [1, 16]);
      const norm = { table, frames, tokens: 2, shift: 0, scale: 8 };
      linear(p, { weight, inputs: 8, outputs: 8 }, p.memory.tensor("x", [1, 1, 2, 8]), { norm });
    });
    return p.recorded.map(({ kernel }) => kernel.name);
  };
  const gathers = ["layer_norm_image_y", "linear_broadcast_image_x_y"];
  assert.deepEqual(dispatches({ cpu: true }), gathers);
  assert.deepEqual(dispatches({ cpu: false }), ["linear"]);
});

Deno.test("linear() shuffles only where a subgroup has eight lanes", () => {
  const kernel = (subgroupSize?: number) => {
    const p = new Program("test", new Memory(), { cpu: false, subgroupSize });
    const weights = { weight: p.memory.tensor("w", packedShape(8, 8)), inputs: 8, outputs: 8 };
    p.scope(() => linear(p, weights, p.memory.tensor("x", [2, 8]), { tuning: { shuffle: 1 } }));
    return p.recorded[0]!.kernel.name;
  };
  assert.equal(kernel(32), "linear_shuffle");
  assert.equal(kernel(4), "linear");
  assert.equal(kernel(), "linear");
});

Deno.test("linear() refuses an input of the wrong width", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const weight = memory.tensor("w", [8, 8]);
  const x = memory.tensor("x", [2, 12]);
  assert.throws(() => linear(p, { weight, inputs: 8, outputs: 8 }, x), ShapeError);
});
