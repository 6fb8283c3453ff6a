import assert from "node:assert/strict";
import { Memory } from "../../gpu/memory.ts";
import { Loader } from "../../model/loader.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";
import { MemoryWeights } from "../support/weight_source.ts";

/** [n, k] as files store it to a block of 32 columns [k4, 32], from column `offset` on. */
function place(to: Float32Array, w: Float32Array, [n, k]: [number, number], offset: number) {
  for (let i = 0; i < n; i++) for (let j = 0; j < k; j++) to[j * 32 + offset + i] = w[i * k + j]!;
}

Deno.test(
  { name: "Loader.linear() joins layers along their outputs, biases too", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const memory = new Memory();
    const [n, k] = [8, 5] as const;
    const [q, v, qBias, vBias] = [n * k, n * k, n, n].map((count, i) => randomFloats(count, i + 1));
    const source = new MemoryWeights()
      .add("attn.to_q.weight", [n, k], "F32", q!).add("attn.to_q.bias", [n], "F32", qBias!)
      .add("attn.to_v.weight", [n, k], "F32", v!).add("attn.to_v.bias", [n], "F32", vBias!);
    const loader = new Loader(source, memory, "f32");
    const w = loader.at("attn").linear(["to_q", "to_v"], [n, k]);
    assert.deepEqual([w.inputs, w.outputs], [8, 16]);
    try {
      await loader.fill(gpu);
      const expected = new Float32Array(8 * 32);
      place(expected, q!, [n, k], 0);
      place(expected, v!, [n, k], n);
      assert.deepEqual(await gpu.readFloats(w.weight), expected);
      const bias = await gpu.readFloats(w.bias!);
      assert.deepEqual(bias, Float32Array.of(...qBias!, ...vBias!));
    } finally {
      memory.free(gpu);
    }
  },
);

Deno.test(
  { name: "Loader.linear() fills a weight that is larger than a chunk", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const memory = new Memory();
    const [n, k] = [11, 1 << 19] as const;
    const values = new Uint16Array(n * k).map((_, i) => 0x3f80 + (i >> 19) + (i & 7)); // bfloat16
    const source = new MemoryWeights().add("w.weight", [n, k], "BF16", values);
    const loader = new Loader(source, memory, "f32");
    const { weight } = loader.linear("w", [n, k], { bias: false });
    assert.equal(loader.stagingBytes, 16 << 20);
    const progress: number[] = [];
    try {
      await loader.fill(gpu, { onProgress: (done, total) => progress.push(done / total) });
      const row = new Uint16Array(await gpu.read(weight.buffer, 4 * 32 * (k - 1), 128))
        .filter((_, i) => i % 2 === 1);
      const expected = Array.from({ length: 32 }, (_, i) => i < n ? 0x3f80 + i + 7 : 0);
      assert.deepEqual([...row], expected);
      assert.deepEqual(progress, [8 / 11, 1]);
    } finally {
      memory.free(gpu);
    }
  },
);

Deno.test(
  { name: "Loader.combined() and table() keep f32 whatever the dtype", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const memory = new Memory();
    const source = new MemoryWeights()
      .add("a", [3], "F32", Float32Array.of(1, 2, 3))
      .add("b", [3], "F16", Uint16Array.of(0x3c00, 0x4000, 0xc000))
      .add("t", [2, 2], "F64", Float64Array.of(0.1, 2, 3, 4));
    const loader = new Loader(source, memory, "f16");
    const sum = loader.combined("a + b", ["a", "b"], 3, (a, b) => a!.map((v, i) => v + b![i]!));
    const table = loader.table("t", [2, 2]);
    try {
      await loader.fill(gpu);
      assert.deepEqual(await gpu.readFloats(sum), Float32Array.of(2, 4, 1, 0, 0, 0, 0, 0));
      assert.deepEqual(await gpu.readFloats(table), Float32Array.of(0.1, 2, 3, 4));
    } finally {
      memory.free(gpu);
    }
  },
);

Deno.test("Loader declares names and buffers without a device", () => {
  const memory = new Memory();
  const source = new MemoryWeights()
    .add("c.weight", [8, 3, 3, 3], "F32", new Float32Array(216))
    .add("c.bias", [8], "F32", new Float32Array(8));
  const w = new Loader(source, memory, "f16").conv("c", [8, 3], { size: 3 });
  assert.deepEqual(source.expected, ["c.weight", "c.bias"]);
  assert.deepEqual(w.weight.shape, [1, 36, 32]); // three channels are padded to four
  assert.equal(memory.bytes, 36 * 32 * 2 + 32);
});

Deno.test({ name: "Loader.fill() stops when it is told to", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const memory = new Memory();
  const source = new MemoryWeights().add("v", [4], "F32", new Float32Array(4));
  const loader = new Loader(source, memory, "f32");
  loader.vector("v", 4);
  const before = gpu.allocatedBytes;
  await assert.rejects(loader.fill(gpu, { signal: AbortSignal.abort() }), { name: "AbortError" });
  memory.free(gpu);
  assert.equal(gpu.allocatedBytes, before);
});
