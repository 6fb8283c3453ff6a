import assert from "node:assert/strict";
import { GpuError } from "../../gpu/errors.ts";
import { Gpu } from "../../gpu/gpu.ts";
import { defineKernel } from "../../gpu/kernel.ts";
import { Memory, TEXTURE_ROW_BYTES } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

const FILL = `override VALUE: u32;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() { y[0] = VALUE; }`;

Deno.test({ name: "Gpu.write() and read() carry bytes at an offset", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const memory = new Memory();
  const buffer = memory.buffer("bytes", 32);
  memory.allocate(gpu);
  gpu.write(buffer, 8, Uint8Array.of(1, 2, 3, 4));
  gpu.write(buffer, 32, new Uint8Array(0));
  const bytes = new Uint8Array(await gpu.read(buffer));
  assert.deepEqual([...bytes.subarray(4, 16)], [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
  assert.deepEqual([...new Uint8Array(await gpu.read(buffer, 8, 4))], [1, 2, 3, 4]);
  memory.free(gpu);
});

Deno.test(
  { name: "Gpu.write() refuses writes out of bounds or of partial words", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const memory = new Memory();
    const buffer = memory.buffer("bytes", 16);
    memory.allocate(gpu);
    const message = /RangeError: Cannot write \d+ bytes at -?\d+ of "bytes" \(16 bytes\)/;
    assert.throws(() => gpu.write(buffer, 0, new Uint8Array(20)), message);
    assert.throws(() => gpu.write(buffer, 16, new Uint8Array(4)), message);
    assert.throws(() => gpu.write(buffer, -4, new Uint8Array(4)), message);
    assert.throws(() => gpu.write(buffer, 2, new Uint8Array(4)), message);
    assert.throws(() => gpu.write(buffer, 0, new Uint8Array(3)), message);
    memory.free(gpu);
  },
);

Deno.test({
  name: "Gpu refuses buffers and bindings over its limits, with the numbers",
  ...GPU_TEST,
}, async () => {
  const gpu = await testGpu();
  const memory = new Memory();
  const large = memory.buffer("cache", gpu.limits.maxBufferSize + 16);
  const before = gpu.allocatedBytes;
  assert.throws(
    () => large.allocate(gpu),
    (error: GpuError) => error.reason === "limit" && /Cannot allocate "cache"/.test(error.message),
  );
  assert.equal(gpu.allocatedBytes, before);
  const wide = memory.buffer("keys", gpu.limits.maxStorageBufferBindingSize + 16);
  assert.throws(() => gpu.checkBinding(wide), /GpuError: Cannot bind "keys": \d+ bytes/);
  gpu.checkBinding(memory.buffer("small", 64));
});

Deno.test(
  { name: "Gpu compiles a pipeline once for each set of constants", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const kernel = defineKernel("fill", FILL);
    const before = gpu.pipelines;
    const pipeline = gpu.pipeline(kernel, { VALUE: 1 });
    assert.equal(gpu.pipeline(kernel, { VALUE: 1 }), pipeline);
    assert.notEqual(gpu.pipeline(kernel, { VALUE: 2 }), pipeline);
    assert.equal(gpu.pipelines, before + 2);
  },
);

Deno.test({ name: "Gpu writes and reads whole rows of an image", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const before = gpu.allocatedBytes;
  const memory = new Memory();
  const image = memory.buffer("image", 2 * TEXTURE_ROW_BYTES + 4, "texture");
  assert.equal(image.bytes, 3 * TEXTURE_ROW_BYTES);
  memory.allocate(gpu);
  assert.equal(gpu.allocatedBytes - before, image.bytes);
  const row = new Uint8Array(TEXTURE_ROW_BYTES).map((_, i) => i % 251);
  gpu.write(image, TEXTURE_ROW_BYTES, row);
  assert.deepEqual(
    new Uint8Array(await gpu.read(image, TEXTURE_ROW_BYTES, TEXTURE_ROW_BYTES)),
    row,
  );
  const all = new Uint8Array(await gpu.read(image));
  assert.deepEqual(all.subarray(TEXTURE_ROW_BYTES, 2 * TEXTURE_ROW_BYTES), row);
  assert.ok(all.subarray(0, TEXTURE_ROW_BYTES).every((byte) => byte === 0));
  assert.throws(() => gpu.write(image, 0, row.subarray(4)), RangeError);
  assert.throws(() => gpu.write(image, 16, row), RangeError);
  assert.throws(() => image.raw, GpuError);
  memory.free(gpu);
  assert.equal(gpu.allocatedBytes, before);
  assert.throws(() => image.texture, GpuError);
});

Deno.test(
  { name: "Gpu refuses an image over its limit, with the numbers", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const most = gpu.limits.maxTextureDimension2D * TEXTURE_ROW_BYTES;
    const image = new Memory().buffer("keys", most + 1, "texture");
    assert.throws(
      () => image.allocate(gpu),
      (error: GpuError) => error.reason === "limit" && /Cannot allocate "keys"/.test(error.message),
    );
  },
);

const FAILURES: [string, string, Record<string, number>, number, RegExp][] = [
  ["a missing constant", FILL, {}, 1, /The GPU refused kernel broken: .*VALUE/],
  ["an unknown constant", FILL, { VALUE: 1, WG: 8 }, 1, /The GPU refused kernel broken: .*WG/],
  [
    "a shader that doesn't compile",
    FILL.replace("VALUE; }", "nothing; }"),
    { VALUE: 1 },
    1,
    /The GPU refused kernel broken: .*nothing/,
  ],
  ["too many workgroups", FILL, { VALUE: 1 }, 1 << 20, /Cannot run broken: 1048576 workgroups/],
];

for (const [what, code, constants, groups, message] of FAILURES) {
  Deno.test({ name: `Gpu names the kernel of ${what}`, ...GPU_TEST }, async () => {
    // an error sticks to its device: one for each
    const gpu = await Gpu.open();
    const memory = new Memory();
    const p = new Program("test", memory);
    const y = memory.tensor("y", [4], "u32");
    p.dispatch({
      kernel: defineKernel("broken", code),
      constants,
      buffers: { y },
      groups: [groups, 1, 1],
    });
    p.finish();
    memory.allocate(gpu);
    const run = async () => {
      gpu.run(p);
      await gpu.idle();
    };
    await assert.rejects(run, (error) => error instanceof GpuError && message.test(error.message));
    memory.free(gpu);
    await gpu.close();
  });
}

Deno.test(
  { name: "Gpu turns an uncaptured error into a GpuError, and keeps it", ...GPU_TEST },
  async () => {
    const gpu = await Gpu.open();
    // more than any device has: the driver, not our own check, must refuse
    gpu.device.createBuffer({ size: 2 ** 52, usage: GPUBufferUsage.STORAGE });
    const failed = (error: unknown) => error instanceof GpuError && error.reason === "validation";
    await assert.rejects(() => gpu.idle(), failed);
    assert.throws(() => gpu.check(), failed);
    assert.throws(() => gpu.run(), failed);
    await gpu.close();
    await gpu.close();
  },
);

Deno.test(
  { name: "Gpu reports the loss of its device as a GpuError at the next call", ...GPU_TEST },
  async () => {
    const gpu = await Gpu.open();
    const memory = new Memory();
    const buffer = memory.buffer("bytes", 64);
    memory.allocate(gpu);
    await gpu.idle();
    gpu.device.destroy();
    const lost = (error: unknown) =>
      error instanceof GpuError && error.reason === "lost" && error.temporary;
    await assert.rejects(() => gpu.idle(), lost);
    await assert.rejects(() => gpu.read(buffer), lost);
    assert.throws(() => gpu.run(), lost);
    assert.throws(() => gpu.check(), lost);
    memory.free(gpu);
    await gpu.close();
  },
);

Deno.test("GpuError is temporary where a retry may help", () => {
  assert.ok(new GpuError("lost", "x").temporary);
  assert.ok(new GpuError("out-of-memory", "x").temporary);
  assert.ok(!new GpuError("validation", "x").temporary);
});

Deno.test(
  { name: "Program.copyToTexture() copies whole and partial rows", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    for (const bytes of [16, TEXTURE_ROW_BYTES, 2 * TEXTURE_ROW_BYTES + 48]) {
      const memory = new Memory();
      const from = memory.tensor("from", [bytes / 4], "u32");
      const to = memory.tensor("to", [bytes / 4 + 8], "u32", "texture");
      const program = new Program("copy", memory);
      const kernel = defineKernel("fill", FILL);
      const fill = (VALUE: number) =>
        program.dispatch({ kernel, constants: { VALUE }, buffers: { y: from }, groups: [1, 1, 1] });
      fill(7);
      program.copyToTexture(from, to);
      fill(9); // later than the copy
      assert.throws(() => program.copyToTexture(to, from), GpuError);
      program.finish();
      memory.allocate(gpu);
      const values = Uint32Array.from({ length: bytes / 4 }, (_, i) => i + 1);
      gpu.write(from.buffer, 0, values);
      gpu.run(program);
      const read = new Uint32Array(await gpu.read(to.buffer));
      assert.deepEqual(read.subarray(0, bytes / 4), values.with(0, 7));
      assert.ok(read.subarray(bytes / 4).every((value) => value === 0));
      memory.free(gpu);
    }
  },
);
