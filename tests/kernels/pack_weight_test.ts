import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import {
  packedShape,
  packFilters,
  packsFilters,
  packWeight,
  type WeightDtype,
} from "../../kernels/pack_weight.ts";
import { packWeightReference } from "../reference/pack_weight.ts";
import { GPU_TEST, runAll } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

interface Layer {
  readonly dtype: WeightDtype;
  readonly bits: Uint16Array | Uint32Array;
  readonly shape: [n: number, k: number];
  readonly taps?: number;
  readonly offset?: number;
}

Deno.test(
  { name: "packWeight() keeps every half float, subnormals and zeros' signs too", ...GPU_TEST },
  async () => {
    const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
    const layer = { dtype: "F16", bits, shape: [256, 256] } as const;
    await compare([{ ...layer, shape: [256, 256] }], "f32");
    await compare([{ ...layer, shape: [256, 256] }], "f16");
  },
);

Deno.test(
  { name: "packWeight() keeps every bfloat16 and rounds it to f16", ...GPU_TEST },
  async () => {
    const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
    await compare([{ dtype: "BF16", bits, shape: [256, 256] }], "f32");
    await compare([{ dtype: "BF16", bits, shape: [256, 256] }], "f16");
  },
);

Deno.test({ name: "packWeight() rounds f32 to f16 as IEEE 754 does", ...GPU_TEST }, async () => {
  const edges = [65504, 65519.996, 65520, 2 ** -14, 2 ** -24, 2 ** -25, 2 ** -25 * 1.0000001, 3e38];
  const ties = Array.from({ length: 40 }, (_, i) => (1 + (2 * i + 1) * 2 ** -11) * 2 ** (i - 20));
  const values = [0, ...edges, ...ties].flatMap((x) => [x, -x]).concat(Infinity, -Infinity, NaN);
  const random = randomFloats(4096 - values.length, 5, 4).map((x) => x * 2 ** (40 * x % 20));
  const all = Float32Array.from([...values, ...random]);
  const bits = new Uint32Array(all.buffer);
  await compare([{ dtype: "F32", bits, shape: [64, 64] }], "f16");
  await compare([{ dtype: "F32", bits, shape: [64, 64] }], "f32");
});

const SHAPES: [n: number, k: number, taps: number][] = [
  [1, 1, 1],
  [3, 5, 1],
  [7, 12, 1],
  [8, 4, 1],
  [33, 130, 1],
  [5, 27, 9],
  [12, 72, 9],
];

for (const [n, k, taps] of SHAPES) {
  for (const dtype of ["f32", "f16"] as const) {
    const name = `N=${n} K=${k} taps ${taps} to ${dtype}`;
    Deno.test({ name: `packWeight() matches the reference for ${name}`, ...GPU_TEST }, async () => {
      const bits = new Uint32Array(randomFloats(n * k).buffer);
      await compare([{ dtype: "F32", bits, shape: [n, k], taps }], dtype);
    });
  }
}

Deno.test({ name: "packWeight() joins layers of different dtypes", ...GPU_TEST }, async () => {
  const half = new Uint16Array(new Float16Array(randomFloats(8 * 12, 1)).buffer);
  const full = new Uint32Array(randomFloats(12 * 12, 2).buffer);
  const brain = new Uint16Array(
    new Uint32Array(randomFloats(3 * 12, 3).buffer).map((x) => x >>> 16),
  );
  for (const dtype of ["f32", "f16"] as const) {
    await compare([
      { dtype: "F16", bits: half, shape: [8, 12], offset: 0 },
      { dtype: "F32", bits: full, shape: [12, 12], offset: 8 },
      { dtype: "BF16", bits: brain, shape: [3, 12], offset: 20 },
    ], dtype);
  }
});

Deno.test(
  { name: "packWeight() lays weights out in rows on request", ...GPU_TEST },
  async () => {
    const bits = new Uint32Array(randomFloats(6 * 9).buffer);
    await compare([{ dtype: "F32", bits, shape: [6, 9] }], "f32", [12, 8]);
    await compare([{ dtype: "F32", bits, shape: [6, 9] }], "f16", [12, 8]);
  },
);

Deno.test("packWeight() refuses what doesn't fit the packed weight", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const packed = memory.tensor("packed", [8, 16]);
  const blocked = memory.tensor("packed", [1, 8, 32]);
  const source = memory.buffer("source", 1024);
  const pack = (shape: [number, number], offset = 0, taps = 1, to = packed) =>
    packWeight(p, source, to, { dtype: "F32", shape, offset, taps });
  assert.throws(() => pack([16, 12]), ShapeError);
  assert.throws(() => pack([17, 8]), ShapeError);
  assert.throws(() => pack([8, 8], 10), ShapeError);
  assert.throws(() => pack([8, 8], 2), ShapeError);
  assert.throws(() => pack([8, 18], 0, 9), ShapeError);
  assert.throws(() => pack([33, 8], 0, 1, blocked), ShapeError);
  assert.throws(() => pack([8, 12], 0, 1, blocked), ShapeError);
});

const FILTERS: [n: number, channels: number, taps: number, offset: number, first: number][] = [
  [4, 4, 1, 0, 0],
  [12, 32, 9, 0, 8],
  [40, 4, 9, 0, 0],
  [128, 128, 1, 256, 4],
  [36, 132, 9, 8, 12],
];

for (const [n, channels, taps, offset, first] of FILTERS) {
  const name = `[${n}, ${channels}, ${taps}] from ${first} on at ${offset}`;
  Deno.test({ name: `packFilters() packs ${name} like the reference`, ...GPU_TEST }, async () => {
    const k = channels * taps;
    const shape = packedShape(k, offset + n);
    const source = randomFloats(first + n * k);
    const expected = new Float32Array(shape.reduce((a, b) => a * b));
    packWeightReference(expected, source.subarray(first), [n, k], {
      ...{ taps, channels, offset, layout: "f32" },
    });
    const [bytes] = await runAll((p, input) => {
      const packed = p.memory.tensor("packed", shape, "f32", "texture");
      const tensor = input([source.length], source, { kind: "texture" });
      packFilters(p, { tensor, first }, packed, { shape: [n, k], taps, offset });
      return [packed];
    });
    assert.deepEqual(new Float32Array(bytes!), expected);
  });
}

Deno.test("packFilters() takes only whole vectors", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const packed = memory.tensor("packed", [1, 8, 32], "f32", "texture");
  const tensor = memory.tensor("source", [1024], "f32", "texture");
  const cases: [n: number, k: number, taps: number, first: number, offset: number][] = [
    [3, 8, 1, 0, 0],
    [8, 6, 1, 0, 0],
    [8, 18, 9, 0, 0],
    [8, 8, 1, 2, 0],
    [8, 8, 1, 0, 2],
    [8, 8, 1, 0, 28],
    [8, 12, 1, 0, 0],
  ];
  for (const [i, [n, k, taps, first, offset]] of cases.entries()) {
    const options = { shape: [n, k], taps, offset } as const;
    const place = { tensor, first };
    assert.equal(packsFilters(options, place), i > 3, String(cases[i]));
    assert.throws(() => packFilters(p, place, packed, options), ShapeError, String(cases[i]));
  }
});

/** Packs the layers into one weight, on the GPU and by the reference, and compares bit by bit. */
async function compare(layers: Layer[], dtype: "f32" | "f16", rows?: number[]): Promise<void> {
  const { shape: [, k], taps = 1 } = layers[0]!;
  const channels = Math.ceil(k / taps / 4) * 4;
  const outputs = Math.max(...layers.map(({ shape, offset = 0 }) => offset + shape[0]));
  const shape = rows ?? packedShape(channels * taps, outputs);
  const expected = new Float32Array(shape.reduce((a, b) => a * b));
  for (const { dtype: from, bits, shape: layerShape, offset = 0 } of layers) {
    packWeightReference(expected, valuesOf(from, bits), layerShape, {
      taps,
      channels,
      offset,
      layout: rows ? { columns: rows[1]! } : dtype,
    });
  }
  const wanted = dtype === "f16" ? new Float16Array(expected) : expected;
  for (const kind of ["storage", "texture"] as const) {
    const [bytes] = await runAll((p, input) => {
      const packed = p.memory.tensor("packed", shape, dtype, kind);
      for (const { bits, ...options } of layers) packWeight(p, words(bits, input), packed, options);
      return [packed];
    });
    const actual = dtype === "f16" ? new Float16Array(bytes!) : new Float32Array(bytes!);
    for (let i = 0; i < wanted.length; i++) {
      if (Object.is(actual[i], wanted[i])) continue;
      assert.fail(`element ${i} in ${kind} is ${actual[i]}, not ${wanted[i]}`);
    }
  }
}

function words(
  bits: Uint16Array | Uint32Array,
  input: (shape: number[], data: Uint32Array) => Tensor,
) {
  const bytes = new Uint8Array(Math.ceil(bits.byteLength / 4) * 4);
  bytes.set(new Uint8Array(bits.buffer));
  return input([bytes.length / 4], new Uint32Array(bytes.buffer)).buffer;
}

function valuesOf(dtype: WeightDtype, bits: Uint16Array | Uint32Array): ArrayLike<number> {
  if (dtype === "F32") return new Float32Array(bits.buffer);
  if (dtype === "F16") return new Float16Array(bits.buffer);
  return new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer);
}
