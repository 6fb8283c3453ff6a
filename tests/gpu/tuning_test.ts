import assert from "node:assert/strict";
import {
  attentionKey,
  attentionTuning,
  broadcasts,
  choices,
  conv2dKey,
  conv2dTuning,
  exchanges,
  fusesHeads,
  linearKey,
  linearTuning,
  qkvKey,
  qkvTuning,
  tensorKind,
  type TuningTable,
} from "../../gpu/tuning.ts";

Deno.test("broadcasts() needs a CPU whose subgroups are wide enough", () => {
  assert.ok(broadcasts({ cpu: true }));
  assert.ok(broadcasts({ cpu: true, subgroupSize: 16 }));
  assert.ok(!broadcasts({ cpu: true, subgroupSize: 4 }));
  assert.ok(!broadcasts({ cpu: true, subgroupSize: 0 }));
  assert.ok(!broadcasts({ cpu: false, subgroupSize: 32 }));
});

Deno.test("exchanges() needs subgroups of eight lanes, on any device", () => {
  assert.ok(
    exchanges({ cpu: false, subgroupSize: 32 }) && exchanges({ cpu: true, subgroupSize: 8 }),
  );
  assert.ok(!exchanges({ cpu: false, subgroupSize: 4 }) && !exchanges({ cpu: false }));
});

Deno.test("tensorKind() keeps weights in images where kernels broadcast", () => {
  assert.equal(tensorKind({ cpu: true }), "texture");
  assert.equal(tensorKind({ cpu: true, subgroupSize: 4 }), "storage");
  assert.equal(tensorKind({ cpu: false }), "storage");
});

const CPU = { cpu: true };
const GPU = { cpu: false, subgroupSize: 32 };

function product(m: number, k: number, n: number, dtype: "f32" | "f16" = "f32") {
  return { m, k, n, dtype };
}

Deno.test("linearTuning() takes as few rows per workgroup as fit", () => {
  const rows = (m: number) => linearTuning(CPU, product(m, 768, 768)).rows;
  assert.deepEqual([1, 8, 9, 17, 64, 1024].map(rows), [8, 8, 16, 32, 32, 32]);
});

Deno.test("linearTuning() shares k among lanes where tiles are few", () => {
  const slices = (m: number, k: number, n: number) => linearTuning(GPU, product(m, k, n)).slices;
  assert.equal(slices(64, 768, 768), 4);
  assert.equal(slices(64, 768, 3072), 2);
  assert.equal(slices(1024, 768, 768), 1);
  assert.equal(slices(64, 128, 768), 1);
  assert.equal(slices(64, 192, 192), 4);
});

Deno.test("linearTuning() gives few tiles as many lanes as wide workgroups have", () => {
  const wide = { ...GPU, wide: true };
  const slices = (m: number, k: number, n: number) => linearTuning(wide, product(m, k, n)).slices;
  assert.equal(slices(64, 3072, 768), 8);
  assert.equal(slices(64, 768, 3072), 2);
  assert.equal(slices(64, 256, 768), 4);
});

Deno.test("linearTuning() takes large tiles where these are enough to fill a GPU", () => {
  const tile = (m: number, n: number) => linearTuning(GPU, product(m, 768, n)).tile;
  assert.equal(tile(64, 3072), 32);
  assert.equal(tile(128, 3072), 32);
  assert.equal(tile(1024, 768), 64);
});

Deno.test("linearTuning() shuffles on AMD's GPUs, but for products that follow a norm", () => {
  const shape = product(64, 768, 768, "f16");
  for (
    const [name, subgroupSize, shuffle] of [
      ["AMD Radeon RX 7900 XTX (RADV NAVI31)", 32, 1],
      ["Radeon RX 580 Series", 64, 1],
      ["AMD Radeon RX 7900 XTX", 4, 0],
      ["NVIDIA GeForce RTX 4090", 32, 0],
      ["Intel(R) Arc(tm) A770 Graphics", 8, 0],
      ["", 32, 0],
    ] as const
  ) {
    const device = { cpu: false, subgroupSize, name };
    assert.equal(linearTuning(device, shape).shuffle, shuffle, name);
    assert.equal(linearTuning(device, { ...shape, norm: true }).shuffle, 0, name);
    const large = linearTuning(device, product(1024, 768, 3072));
    const few = /Intel/.test(name); // registers
    assert.deepEqual([large.tile, large.ahead], few ? [32, 4] : [64, 1]);
    const attention = { queries: 64, slots: 1088, rows: 12, dtype: "f16" } as const;
    assert.equal(attentionTuning(device, attention).ahead, few ? 0 : 1);
  }
});

Deno.test("fusesHeads() needs ten buffers", () => {
  assert.ok(fusesHeads({ cpu: false, storageBuffers: 10 }));
  assert.ok(!fusesHeads({ cpu: false, storageBuffers: 8 }) && !fusesHeads({ cpu: false }));
});

Deno.test("qkvTuning() gives a workgroup both blocks of a head, whatever a table says", () => {
  const shape = product(64, 768, 2304);
  assert.deepEqual(qkvTuning(GPU, shape), { ...linearTuning(GPU, { ...shape, norm: true }) });
  const tuning = { [qkvKey(shape)]: { tile: 64, blocks: 1 } };
  const { tile, blocks } = qkvTuning({ ...GPU, tuning }, shape);
  assert.deepEqual([tile, blocks], [64, 2]);
});

Deno.test("conv2dTuning() takes as few pixels per workgroup as fit", () => {
  const rows = (pixels: number) =>
    conv2dTuning(CPU, { pixels, k: 64, n: 64, taps: 9, dtype: "f32" }).rows;
  assert.deepEqual([1, 8, 9, 17, 4096].map(rows), [8, 8, 16, 32, 32]);
});

Deno.test("conv2dTuning() divides a convolution on GPUs as the matrix product that it is", () => {
  const tuning = (pixels: number, n: number) =>
    conv2dTuning(GPU, { pixels, k: 64, n, taps: 9, dtype: "f32" });
  const { tile, slices, shuffle } = tuning(4096, 256);
  assert.deepEqual({ tile, slices, shuffle }, { tile: 64, slices: 1, shuffle: 0 });
  assert.deepEqual([tuning(64, 1024).tile, tuning(64, 1024).slices], [32, 4]);
});

Deno.test("attentionTuning() splits the keys where queries alone don't fill a GPU", () => {
  const split = (queries: number, slots: number, rows: number) =>
    attentionTuning(GPU, { queries, slots, rows, dtype: "f32" }).split;
  assert.equal(split(64, 16384, 12), 8);
  assert.equal(split(64, 1088, 12), 8);
  assert.equal(split(64, 192, 12), 4); // at least 48 keys per part
  assert.equal(split(64, 64, 12), 1);
  assert.equal(split(16, 16384, 2), 16);
  assert.equal(split(1024, 16384, 24), 1);
});

Deno.test("attentionTuning() gives released models 192 workgroups from the third frame on", () => {
  for (const [rows, frames] of [[12, 3], [12, 17], [12, 157], [16, 3], [18, 17]] as const) {
    const shape = { queries: 64, slots: 64 * frames, rows, dtype: "f16" } as const;
    assert.ok(64 / 16 * rows * attentionTuning(GPU, shape).split >= 192, `${rows}, ${frames}`);
  }
});

Deno.test("attentionTuning() shuffles among as many lanes as share a head", () => {
  const shape = { queries: 64, slots: 1088, rows: 12, dtype: "f16" } as const;
  assert.deepEqual(attentionTuning(GPU, shape), { ahead: 1, shuffle: 1, parts: 1, split: 8 });
  for (
    const [subgroupSize, f16, f32] of [[0, 0, 0], [4, 0, 0], [8, 1, 0], [16, 1, 1], [64, 1, 1]]
  ) {
    const device = { cpu: false, subgroupSize };
    assert.equal(attentionTuning(device, shape).shuffle, f16, `f16, ${subgroupSize}`);
    assert.equal(attentionTuning(device, { ...shape, dtype: "f32" }).shuffle, f32);
  }
});

Deno.test("attentionTuning() divides keys within workgroups on GPUs of few large cores", () => {
  for (
    const [name, frames, wide, parts, split] of [
      ["AMD Radeon RX 7900 XTX (RADV NAVI31)", 17, true, 8, 1],
      ["AMD Radeon RX 7900 XTX (RADV NAVI31)", 3, true, 4, 1],
      ["AMD Radeon RX 7900 XTX (RADV NAVI31)", 2, true, 1, 2],
      ["Apple M3", 17, false, 4, 2],
      ["Intel(R) Arc(tm) A770 Graphics (DG2)", 157, true, 8, 1],
      ["NVIDIA GeForce RTX 4090", 17, true, 1, 8],
    ] as const
  ) {
    const device = { cpu: false, subgroupSize: 32, name, wide };
    const shape = { queries: 64, slots: 64 * frames, rows: 12, dtype: "f16" } as const;
    const choice = attentionTuning(device, shape);
    assert.deepEqual([choice.parts, choice.split], [parts, split], `${name} ${frames}`);
    assert.equal(attentionTuning({ ...device, subgroupSize: 0 }, shape).parts, 1);
  }
});

Deno.test("attentionTuning() never splits on CPUs", () => {
  const shape = { queries: 64, slots: 16384, rows: 12, dtype: "f32" } as const;
  assert.equal(attentionTuning(CPU, shape).split, 1);
});

Deno.test("a table that was measured goes before the built-in choices, shape by shape", () => {
  const shape = product(64, 768, 3072, "f16");
  const attention = { queries: 64, slots: 9000, rows: 12, dtype: "f16" } as const;
  const tuning: TuningTable = {
    [linearKey(shape)]: { slices: 4, shuffle: 1 },
    [conv2dKey({ pixels: 9, k: 4, n: 4, taps: 9, dtype: "f32" })]: { rows: 64 },
    [attentionKey({ ...attention, slots: 8192 })]: { split: 2, ahead: 0, lanes: 32 },
  };
  const device = { ...GPU, tuning };
  const { slices, shuffle, tile } = linearTuning(device, shape);
  assert.deepEqual({ slices, shuffle, tile }, { slices: 4, shuffle: 1, tile: 32 });
  assert.equal(linearTuning(device, { ...shape, dtype: "f32" }).slices, 2);
  assert.equal(linearTuning(device, { ...shape, m: 128 }).slices, 1);
  assert.equal(conv2dTuning(device, { pixels: 9, k: 4, n: 4, taps: 9, dtype: "f32" }).rows, 64);
  const choice = { ahead: 0, shuffle: 1, parts: 1, split: 2 };
  assert.deepEqual(attentionTuning(device, attention), choice);
});

Deno.test("a table's impossible numbers are not looked at", () => {
  const shape = product(64, 768, 768);
  for (
    const [name, value] of [["slices", 3], ["slices", -1], ["slices", NaN], ["tile", 16], [
      "shuffle",
      2,
    ], ["tiles", 4]] as const
  ) {
    const device = { ...GPU, tuning: { [linearKey(shape)]: { [name]: value } } };
    assert.deepEqual(linearTuning(device, shape), linearTuning(GPU, shape));
  }
  const odd = {
    ...GPU,
    tuning: { [linearKey(shape)]: "fast" as unknown as Record<string, number> },
  };
  assert.deepEqual(linearTuning(odd, shape), linearTuning(GPU, shape));
});

Deno.test("choices() hold the built-in ones", () => {
  const builtIn = linearTuning(GPU, product(64, 768, 768));
  for (const [name, value] of Object.entries(builtIn)) {
    assert.ok(choices(`linear ${name}`).includes(value), name);
  }
  assert.deepEqual(choices("linear colour"), []);
});
