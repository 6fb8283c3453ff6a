import assert from "node:assert/strict";
import type { GpuError } from "../../gpu/errors.ts";
import { Gpu } from "../../gpu/gpu.ts";
import { Memory, type MemoryKind, mostBytes } from "../../gpu/memory.ts";
import { allocateChecked, checkMemory, RUN } from "../../run/memory_check.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

const OPTIONS =
  /: use fewer frames, `count` 1, `guidance` 1, smaller `width` and `height` or `dtype` f16$/;

function declare(kind: MemoryKind, bytes: number): Memory {
  const memory = new Memory();
  memory.buffer("keys 0", bytes, kind);
  return memory;
}

for (const kind of ["storage", "texture"] as const) {
  Deno.test({
    name: `checkMemory() takes a ${kind} as large as one can be, and none larger`,
    ...GPU_TEST,
  }, async () => {
    const gpu = await testGpu();
    const most = mostBytes(kind, gpu.limits);
    checkMemory(gpu, [new Memory(), declare(kind, most)], RUN);
    const more = declare(kind, most + 1);
    assert.throws(() => checkMemory(gpu, [more], RUN), (error: GpuError) => {
      const [need, limit] = [more.bytes, most].map((bytes) => (bytes / 1e6).toFixed(1));
      const text = `Cannot fit this run: "keys 0" needs ${need} MB in one piece, ` +
        `${gpu.adapter.name} allows ${limit} MB`;
      assert.equal(error.reason, "limit");
      assert.equal(error.message.replace(OPTIONS, ""), text);
      return OPTIONS.test(error.message);
    });
  });
}

Deno.test({ name: "checkMemory() adds up what is declared", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const memory = new Memory();
  const most = mostBytes("storage", gpu.limits);
  const pieces = Math.ceil(Deno.systemMemoryInfo().total / most) + 1;
  for (let i = 0; i < pieces; i++) memory.buffer(`values ${i}`, most);
  const check = () => checkMemory(gpu, [memory], RUN);
  if (!gpu.adapter.cpu) return check(); // what a GPU has free shows when it is asked for
  assert.throws(check, (error: GpuError) => {
    assert.match(
      error.message,
      /^Cannot fit this run: \d+\.\d MB are needed, \d+\.\d MB /,
    );
    return OPTIONS.test(error.message);
  });
});

Deno.test(
  { name: "allocateChecked() says what a GPU without memory left was asked for", ...GPU_TEST },
  async () => {
    const gpu = await Gpu.open(); // an error sticks to its device
    const memory = declare("storage", 3e6);
    const before = declare("storage", 1e6);
    before.allocate(gpu);
    gpu.device.popErrorScope = () => Promise.resolve(new GPUOutOfMemoryError("no more"));
    await assert.rejects(() => allocateChecked(gpu, memory, RUN), (error: GpuError) => {
      const text = 'The GPU is out of memory for "keys 0" (3000000 bytes): 3.0 MB are needed ' +
        "for this run besides 1.0 MB in use";
      assert.equal(error.message.replace(OPTIONS, ""), text);
      assert.ok(error.temporary);
      return OPTIONS.test(error.message);
    });
    memory.free(gpu);
    before.free(gpu);
    await gpu.close();
  },
);
