import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import type { ProductTuning } from "../../gpu/tuning.ts";
import { qkv } from "../../kernels/qkv.ts";
import { ropeAngles, ropeSpace } from "../../model/embeddings.ts";
import { layerNormReference } from "../reference/layer_norm.ts";
import { linearReference } from "../reference/linear.ts";
import { qkNormRopeReference } from "../reference/qk_norm_rope.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runAll, testGpu } from "../support/gpu.ts";
import { packed } from "../support/weights.ts";
import { randomFloats } from "../support/random.ts";

interface Case {
  readonly batch: number;
  readonly frames: number[];
  readonly rows: number;
  readonly columns: number;
  readonly heads: number;
  readonly inputs: number;
  readonly spread: number;
  readonly axes: [number, number, number];
  readonly weights: "f32" | "f16";
  readonly cache: "f32" | "f16";
}

const BASE: Case = {
  batch: 1,
  frames: [0],
  rows: 1,
  columns: 1,
  heads: 1,
  inputs: 4,
  spread: 1,
  axes: [16, 24, 24],
  weights: "f32",
  cache: "f32",
};

const CASES: [string, Case][] = [
  ["a single token", BASE],
  ["odd sizes", {
    ...BASE,
    batch: 2,
    frames: [7, 3, 8],
    rows: 3,
    columns: 5,
    heads: 3,
    inputs: 52,
  }],
  ["context patches", { ...BASE, frames: [300], rows: 2, columns: 3, heads: 2, spread: 4 }],
  ["other axes", { ...BASE, frames: [5], rows: 2, columns: 2, inputs: 12, axes: [32, 16, 16] }],
  ["f16 caches", { ...BASE, frames: [2, 1], rows: 5, columns: 7, heads: 2, cache: "f16" }],
  ["f16 weights", { ...BASE, frames: [2], rows: 2, columns: 3, inputs: 36, weights: "f16" }],
];

const FORMS: Partial<ProductTuning>[] = [0, 1].flatMap((shuffle) => [
  { tile: 32, slices: 1, ahead: 2, shuffle },
  { tile: 32, slices: 2, ahead: 4, shuffle },
  { tile: 32, slices: 4, ahead: 2, shuffle },
  { tile: 64, slices: 1, ahead: 1, shuffle },
]);

/** Of weights in f16, where the driver has half floats. */
const { f16 } = (await testGpu()).adapter;
const PACKED: Partial<ProductTuning>[] = [
  { tile: 32, slices: 2, ahead: 2, packed: 1 },
  { tile: 64, slices: 1, ahead: 1, packed: 1 },
];

for (const [name, c] of CASES) {
  Deno.test({ name: `qkv() matches the reference for ${name}`, ...GPU_TEST }, async () => {
    const inputs = makeInputs(c);
    const expected = reference(c, inputs);
    const forms = [
      ...[...FORMS, ...(f16 && c.weights === "f16" ? PACKED : [])]
        .map((tuning) => ({ kind: "storage", tuning } as const)),
      { kind: "texture", tuning: {} as Partial<ProductTuning> } as const,
    ];
    for (const { kind, tuning } of forms) {
      const [q, k, v] = await run(c, inputs, kind, tuning);
      const by = `${kind} ${JSON.stringify(tuning)}`;
      const rounding = tuning.packed ? 2e-3 : 1e-5;
      assertClose(q!, expected.q, rounding, `q, ${by}`);
      const tolerance = c.cache === "f16" ? 2 ** -10 : rounding;
      assertClose(k!, expected.k, tolerance, `k, ${by}`);
      assertClose(v!, expected.v, tolerance, `v, ${by}`);
    }
  });
}

Deno.test(
  { name: "qkv() caches values beyond half floats as the largest", ...GPU_TEST },
  async () => {
    const c: Case = { ...BASE, cache: "f16" };
    const inputs = makeInputs(c);
    inputs.bias.set([65504, 65520, 1e5, 3e38, -65520, -3e38], 128);
    inputs.weight.fill(0);
    const [, , v] = await run(c, inputs, "storage", { shuffle: 0 });
    const slot = 64 * inputs.slotOf(0);
    const largest = [65504, 65504, 65504, 65504, -65504, -65504];
    assert.deepEqual(Array.from(v!).slice(slot, slot + 6), largest);
  },
);

Deno.test("qkv() is one dispatch where kernels may have ten buffers, and refuses other caches", () => {
  for (
    const [storageBuffers, kernels] of [[10, ["qkv"]], [8, ["linear", "qk_norm_rope"]]] as const
  ) {
    const p = new Program("test", new Memory(), { cpu: false, storageBuffers });
    const t = (...shape: number[]) => p.memory.tensor("t", shape);
    const call = (heads: number, videos: number, cached = heads) => {
      const frames = t(1, 1, 4);
      const weight = t(2 * 3 * heads, 8, 32);
      p.scope(() =>
        void qkv(p, { weight, inputs: 8, outputs: 192 * 2 }, t(1, 1, 1, 8), {
          norm: { table: t(1, 16), frames, tokens: 1, shift: 0, scale: 8 },
          heads,
          axes: [16, 24, 24],
          columns: 1,
          spread: 1,
          time: 0,
          norms: t(2, 64),
          frames,
          rope: t(64),
          k: t(videos, cached, 4, 64),
          v: t(videos, cached, 4, 64),
        })
      );
    };
    call(2, 1);
    assert.deepEqual(p.recorded.map(({ kernel }) => kernel.name), kernels);
    assert.throws(() => call(3, 1), ShapeError);
    assert.throws(() => call(2, 2), ShapeError);
    assert.throws(() => call(2, 1, 3), ShapeError);
  }
});

function makeInputs({ batch, frames, rows, columns, heads, inputs, weights }: Case) {
  const tokens = rows * columns;
  const width = 3 * heads * 64;
  const weight = randomFloats(width * inputs, 2);
  return {
    tokens,
    slots: (frames.length + 1) * tokens + 2,
    // the frames' slots: in reverse order, one frame left free before them
    slotOf: (frame: number) => (frames.length - frame) * tokens,
    // the rows of the table: one per frame of a video
    table: randomFloats(frames.length * (2 * inputs + 4), 5),
    x: randomFloats(batch * frames.length * tokens * inputs, 1, 3),
    weight: weights === "f16" ? weight.map(Math.f16round) : weight,
    bias: randomFloats(width, 4),
    normQ: randomFloats(64, 6),
    normK: randomFloats(64, 7),
  };
}

type Inputs = ReturnType<typeof makeInputs>;

async function run(
  c: Case,
  { tokens, slots, slotOf, table, x, weight, bias, normQ, normK }: Inputs,
  kind: "storage" | "texture",
  tuning: Partial<ProductTuning>,
): Promise<ArrayLike<number>[]> {
  const { batch, frames, rows, columns, heads, inputs, spread, axes, weights, cache } = c;
  const space = ropeSpace(Math.max(rows, columns) * spread, axes[1], axes[2]);
  const angles = frames.flatMap((frame) => [...ropeAngles(frame, axes[0])]);
  const rope = Float32Array.from([...space, ...angles]);
  const numbers = Array.from(
    { length: batch },
    () => frames.map((frame, j) => [j, frame, slotOf(j), 7]),
  );
  const width = 3 * heads * 64;
  const [q, k, v] = await runAll((p, input) => {
    const caches = {
      k: p.memory.tensor("k", [batch, heads, slots, 64], cache, kind),
      v: p.memory.tensor("v", [batch, heads, slots, 64], cache, kind),
    };
    const of = input([batch, frames.length, 4], Uint32Array.from(numbers.flat(2)));
    const modulation = input([frames.length, 2 * inputs + 4], table);
    const w = packed(p, input, weight, [width, inputs], bias, weights, kind);
    const q = qkv(p, w, input([batch, frames.length, tokens, inputs], x), {
      norm: { table: modulation, frames: of, tokens, shift: 4, scale: inputs + 4 },
      heads,
      axes,
      columns,
      spread,
      time: space.length / 4,
      norms: input([2, 64], Float32Array.from([...normQ, ...normK])),
      frames: of,
      rope: input([rope.length], rope),
      tuning,
      ...caches,
    });
    return [q, caches.k, caches.v];
  });
  const floats = (bytes: ArrayBuffer) =>
    cache === "f16" ? new Float16Array(bytes) : new Float32Array(bytes);
  return [new Float32Array(q!), floats(k!), floats(v!)];
}

function reference(c: Case, i: Inputs) {
  const { batch, frames, heads, inputs } = c;
  const stride = 2 * inputs + 4;
  const normed = layerNormReference(i.x, inputs, (row) => {
    const own = i.table.subarray(Math.floor(row / i.tokens) % frames.length * stride);
    return { shift: own.subarray(4), scale: own.subarray(inputs + 4) };
  });
  const rows = batch * frames.length * i.tokens;
  const all = linearReference(normed, i.weight, i.bias, [rows, inputs, 3 * heads * 64]);
  return qkNormRopeReference(all, { ...c, ...i });
}
