import assert from "node:assert/strict";
import { GpuError, ShapeError } from "../../gpu/errors.ts";
import { DeviceBuffer, expectShape, Memory, size, tensorBytes } from "../../gpu/memory.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

Deno.test("tensorBytes() counts elements of every dtype", () => {
  assert.equal(size([2, 3, 5]), 30);
  assert.equal(size([]), 1);
  assert.equal(tensorBytes([2, 3], "f32"), 24);
  assert.equal(tensorBytes([2, 3], "u32"), 24);
  assert.equal(tensorBytes([2, 3], "f16"), 12);
});

Deno.test("DeviceBuffer is a multiple of 16 bytes, and unusable before it is made", () => {
  assert.equal(new DeviceBuffer("a", 0).bytes, 16);
  assert.equal(new DeviceBuffer("a", 16).bytes, 16);
  assert.equal(new DeviceBuffer("a", 17).bytes, 32);
  assert.throws(() => new DeviceBuffer("weights", 4).raw, /GpuError: Cannot use buffer "weights"/);
});

Deno.test("Memory adds up declared sizes without allocating", () => {
  const memory = new Memory();
  memory.tensor("a", [5]);
  memory.buffer("b", 100);
  assert.equal(memory.bytes, 32 + 112);
  assert.equal(memory.pendingBytes, 144);
  assert.equal(memory.largest?.label, "b");
  assert.equal(new Memory().largest, undefined);
});

Deno.test("Memory.take() reuses the smallest buffer that fits", () => {
  const memory = new Memory();
  const [large, small, middle] = [memory.take([256]), memory.take([16]), memory.take([64])];
  for (const tensor of [large, small, middle]) memory.release(tensor);
  const again = memory.take([10, 5]);
  assert.equal(again.buffer, middle.buffer);
  assert.deepEqual(again.shape, [10, 5]);
  assert.equal(memory.take([40]).buffer, large.buffer);
  const more = memory.take([40]);
  assert.ok(![large.buffer, small.buffer, middle.buffer].includes(more.buffer));
  assert.equal(memory.bytes, 4 * (256 + 16 + 64 + 40));
});

Deno.test("Memory.take() never hands out a buffer that is in use", () => {
  const memory = new Memory();
  const first = memory.take([8]);
  assert.notEqual(memory.take([8]).buffer, first.buffer);
});

Deno.test("expectShape() names both shapes", () => {
  const x = new Memory().tensor("x", [2, 3]);
  expectShape("add", x, [2, 3]);
  assert.throws(() => expectShape("add", x, [3, 2]), ShapeError);
  assert.throws(
    () => expectShape("add", x, [2, 3, 1]),
    /Cannot run add: needs \[2, 3, 1\] but got \[2, 3\]/,
  );
});

Deno.test(
  { name: "Memory.allocate() makes each buffer once and free() returns it", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const before = gpu.allocatedBytes;
    const memory = new Memory();
    const a = memory.buffer("a", 1024);
    memory.allocate(gpu);
    const raw = a.raw;
    memory.buffer("b", 2048);
    memory.allocate(gpu);
    assert.equal(a.raw, raw);
    assert.equal(gpu.allocatedBytes - before, 3072);
    assert.equal(memory.pendingBytes, 0);
    assert.ok(gpu.peakBytes >= before + 3072);
    memory.free(gpu);
    memory.free(gpu);
    assert.equal(gpu.allocatedBytes, before);
    assert.throws(() => a.raw, GpuError);
  },
);
