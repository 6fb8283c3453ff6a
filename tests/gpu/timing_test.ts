import assert from "node:assert/strict";
import { defineKernel } from "../../gpu/kernel.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { GpuTimer } from "../../gpu/timing.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

/** y = y * 3 + 1 */
const NEXT = defineKernel(
  "next",
  `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() { y[0] = y[0] * 3u + 1u; }`,
);

function next(p: Program, y: Tensor, label?: string): void {
  p.dispatch({ kernel: NEXT, buffers: { y }, groups: [1, 1, 1], label });
}

/** A program of `count` dispatches on one number, and how often they ran since it was 0. */
async function counting(count: number) {
  const gpu = await testGpu();
  const memory = new Memory();
  const program = new Program("count", memory);
  const y = memory.tensor("y", [1], "u32");
  for (let i = 0; i < count; i++) next(program, y, i % 3 === 0 ? "third" : undefined);
  program.finish();
  memory.allocate(gpu);
  const ran = async () => {
    let value = new Uint32Array(await gpu.read(y.buffer, 0, 4))[0]!;
    let times = 0;
    for (; value > 0; value = (value - 1) / 3) times++;
    return times;
  };
  return { gpu, memory, program, ran };
}

Deno.test(
  { name: "GpuTimer.time() runs each program once and times it", ...GPU_TEST },
  async () => {
    const { gpu, memory, program, ran } = await counting(4);
    const timer = await GpuTimer.open(gpu);
    const { wall, gpu: seconds } = await timer.time(() => {
      timer.run(program);
      timer.run(program, 1, 3);
    });
    assert.equal(await ran(), 6);
    assert.ok(wall >= 0 && Number.isFinite(wall));
    assert.equal(seconds !== undefined, gpu.adapter.timestamps);
    if (seconds !== undefined) assert.ok(seconds > 0, `two passes took ${seconds} s`);
    assert.ok(timer.idleSeconds > 0);
    timer.close();
    memory.free(gpu);
  },
);

Deno.test(
  { name: "GpuTimer.time() does not count earlier runs", ...GPU_TEST },
  async () => {
    const { gpu, memory, program } = await counting(3);
    const timer = await GpuTimer.open(gpu);
    await timer.time(() => timer.run(program));
    const { gpu: seconds } = await timer.time(() => gpu.run(program));
    assert.equal(seconds, undefined);
    timer.close();
    memory.free(gpu);
  },
);

Deno.test(
  { name: "GpuTimer.profile() runs every dispatch once and sums by label", ...GPU_TEST },
  async () => {
    const { gpu, memory, program, ran } = await counting(7);
    const timer = await GpuTimer.open(gpu);
    const profile = await timer.profile(program);
    assert.equal(profile !== undefined, timer.stamped);
    if (profile) {
      assert.equal(await ran(), 7);
      assert.deepEqual(profile.map(({ label, count }) => [label, count]), [
        ["third", 3],
        ["next", 4],
      ]);
      for (const { label, seconds } of profile) assert.ok(seconds > 0, `${label}: ${seconds} s`);
    }
    timer.close();
    memory.free(gpu);
  },
);
