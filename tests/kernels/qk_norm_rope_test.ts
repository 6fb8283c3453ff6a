import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { qkNormRope } from "../../kernels/qk_norm_rope.ts";
import { ropeAngles, ropeSpace } from "../../model/embeddings.ts";
import { qkNormRopeReference } from "../reference/qk_norm_rope.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runAll } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

interface Case {
  readonly batch: number;
  readonly frames: number[];
  readonly rows: number;
  readonly columns: number;
  readonly heads: number;
  readonly spread: number;
  readonly axes: [number, number, number];
  readonly dtype: "f32" | "f16";
}

const BASE: Case = {
  batch: 1,
  frames: [0],
  rows: 1,
  columns: 1,
  heads: 1,
  spread: 1,
  axes: [16, 24, 24],
  dtype: "f32",
};

const CASES: [string, Case][] = [
  ["a single token", BASE],
  ["odd sizes", { ...BASE, batch: 2, frames: [7, 3, 8], rows: 3, columns: 5, heads: 3 }],
  ["context patches", { ...BASE, frames: [300], rows: 2, columns: 3, heads: 2, spread: 4 }],
  ["other axes", { ...BASE, frames: [5], rows: 2, columns: 2, axes: [32, 16, 16] }],
  ["f16 caches", { ...BASE, frames: [2, 1], rows: 2, columns: 3, heads: 5, dtype: "f16" }],
];

for (const [name, c] of CASES) {
  Deno.test({ name: `qkNormRope() matches the reference for ${name}`, ...GPU_TEST }, async () => {
    const inputs = makeInputs(c);
    const expected = qkNormRopeReference(inputs.qkv, { ...c, ...inputs });
    for (const kind of ["storage", "texture"] as const) {
      const [q, k, v] = await run(c, inputs, kind);
      assertClose(q!, expected.q, 3e-6, `q, ${kind}`);
      // halves have 11 bits
      const tolerance = c.dtype === "f16" ? 2 ** -11 : 3e-6;
      assertClose(k!, expected.k, tolerance, `k, ${kind}`);
      assertClose(v!, expected.v, c.dtype === "f16" ? 2 ** -11 : 0, `v, ${kind}`);
    }
  });
}

Deno.test(
  { name: "qkNormRope() caches values beyond half floats as the largest", ...GPU_TEST },
  async () => {
    const c: Case = { ...BASE, dtype: "f16" };
    const inputs = makeInputs(c);
    const values = [65504, 65519, 65520, 1e5, 3e38, -65504, -65520, -3e38];
    inputs.qkv.set(values, 128);
    for (const kind of ["storage", "texture"] as const) {
      const [, , v] = await run(c, inputs, kind);
      const slot = 64 * inputs.slotOf(0);
      assert.deepEqual(
        Array.from(v!).slice(slot, slot + 8),
        values.map((value) => Math.max(-65504, Math.min(65504, value))),
        kind,
      );
    }
  },
);

Deno.test("qkNormRope() refuses a width that is not three times the heads", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const t = (...shape: number[]) => memory.tensor("t", shape);
  const options = {
    heads: 2,
    axes: [16, 24, 24] as const,
    columns: 1,
    spread: 1,
    time: 0,
    norms: t(2, 64),
    frames: t(1, 1, 4),
    rope: t(64),
  };
  const cache = { k: t(1, 2, 4, 64), v: t(1, 2, 4, 64) };
  assert.throws(() => qkNormRope(p, t(1, 1, 1, 256), { ...options, ...cache }), ShapeError);
  const other = { k: t(1, 3, 4, 64), v: t(1, 3, 4, 64) };
  assert.throws(() => qkNormRope(p, t(1, 1, 1, 384), { ...options, ...other }), ShapeError);
  const batch = { k: t(2, 2, 4, 64), v: t(2, 2, 4, 64) };
  assert.throws(() => qkNormRope(p, t(1, 1, 1, 384), { ...options, ...batch }), ShapeError);
});

function makeInputs({ batch, frames, rows, columns, heads }: Case) {
  const tokens = rows * columns;
  return {
    tokens,
    slots: (frames.length + 1) * tokens + 2,
    // the frames' slots: in reverse order, one frame left free before them
    slotOf: (frame: number) => (frames.length - frame) * tokens,
    qkv: randomFloats(batch * frames.length * tokens * 3 * heads * 64, 1, 3),
    normQ: randomFloats(64, 2),
    normK: randomFloats(64, 3),
  };
}

type Inputs = ReturnType<typeof makeInputs>;

async function run(
  c: Case,
  inputs: Inputs,
  kind: "storage" | "texture",
): Promise<ArrayLike<number>[]> {
  const { batch, frames, rows, columns, heads, spread, axes, dtype } = c;
  const { tokens, slots, slotOf, qkv, normQ, normK } = inputs;
  const space = ropeSpace(Math.max(rows, columns) * spread, axes[1], axes[2]);
  const angles = frames.flatMap((frame) => [...ropeAngles(frame, axes[0])]);
  const rope = Float32Array.from([...space, ...angles]);
  const numbers = Array.from(
    { length: batch },
    () => frames.map((frame, j) => [7, frame, slotOf(j), 7]),
  );
  const [q, k, v] = await runAll((p, input) => {
    const cache = {
      k: p.memory.tensor("k", [batch, heads, slots, 64], dtype, kind),
      v: p.memory.tensor("v", [batch, heads, slots, 64], dtype, kind),
    };
    const q = qkNormRope(p, input([batch, frames.length, tokens, 3 * heads * 64], qkv), {
      heads,
      axes,
      columns,
      spread,
      time: space.length / 4,
      norms: input([2, 64], Float32Array.from([...normQ, ...normK])),
      frames: input([batch, frames.length, 4], Uint32Array.from(numbers.flat(2))),
      rope: input([rope.length], rope),
      ...cache,
    });
    return [q, cache.k, cache.v];
  });
  const floats = (bytes: ArrayBuffer) =>
    dtype === "f16" ? new Float16Array(bytes) : new Float32Array(bytes);
  return [new Float32Array(q!), floats(k!), floats(v!)];
}
