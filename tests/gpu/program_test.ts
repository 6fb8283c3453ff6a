import assert from "node:assert/strict";
import { GpuError } from "../../gpu/errors.ts";
import { Gpu } from "../../gpu/gpu.ts";
import { defineKernel } from "../../gpu/kernel.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

/** y[i] = y[i] * factor + ADD */
const SCALE = defineKernel(
  "scale",
  `override ADD: u32 = 0u;
struct Params { factor: u32, }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = y[id.x] * params.factor + ADD; }`,
);

function scale(p: Program, y: Tensor, factor: number, add: number, label?: string): void {
  const groups = [y.shape[0]!, 1, 1] as const;
  p.dispatch({
    kernel: SCALE,
    constants: { ADD: add },
    params: { factor },
    buffers: { y },
    groups,
    label,
  });
}

Deno.test(
  { name: "Program runs its dispatches in order, any number of times", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const memory = new Memory();
    const p = new Program("test", memory);
    const y = memory.tensor("y", [3], "u32");
    scale(p, y, 2, 1);
    scale(p, y, 3, 0, "triple");
    assert.equal(p.dispatches, 2);
    assert.deepEqual(p.labels, ["scale", "triple"]);
    p.finish();
    memory.allocate(gpu);
    gpu.write(y.buffer, 0, Uint32Array.of(0, 1, 2));
    gpu.run(p, p);
    const values = new Uint32Array(await gpu.read(y.buffer, 0, 12));
    assert.deepEqual([...values], [0, 1, 2].map((x) => 3 * (2 * (3 * (2 * x + 1)) + 1)));
    memory.free(gpu);
  },
);

Deno.test(
  { name: "Gpu.run() cuts a program into submits of the size it was opened with", ...GPU_TEST },
  async () => {
    const gpu = await Gpu.open({ dispatchesPerSubmit: 2 });
    const memory = new Memory();
    const p = new Program("test", memory);
    const y = memory.tensor("y", [3], "u32");
    for (let i = 0; i < 5; i++) scale(p, y, 2, i);
    p.finish();
    memory.allocate(gpu);
    gpu.write(y.buffer, 0, Uint32Array.of(0, 1, 2));
    const { queue } = gpu.device;
    const submit = queue.submit.bind(queue);
    let submits = 0;
    queue.submit = (buffers) => {
      submits++;
      submit(buffers);
    };
    gpu.run(p);
    assert.equal(submits, 3);
    const values = new Uint32Array(await gpu.read(y.buffer, 0, 12));
    assert.deepEqual([...values], [0, 1, 2].map((x) => 32 * x + 26));
    memory.free(gpu);
    await gpu.close();
  },
);

Deno.test(
  { name: "Program asks for groups at each run, and skips none", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const memory = new Memory();
    const p = new Program("test", memory);
    const y = memory.tensor("y", [3], "u32");
    let count = 0;
    p.dispatch({
      kernel: SCALE,
      constants: { ADD: 1 },
      params: { factor: 1 },
      buffers: { y },
      groups: () => [count, 1, 1],
    });
    p.finish();
    memory.allocate(gpu);
    for (count = 0; count <= 3; count++) gpu.run(p);
    assert.deepEqual([...new Uint32Array(await gpu.read(y.buffer, 0, 12))], [3, 2, 1]);
    memory.free(gpu);
  },
);

Deno.test("Program.scope() reuses scratch after a scope, not within", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const seen: Tensor[] = [];
  p.scope(() => {
    const outer = p.scratch([8]);
    p.scope(() => {
      seen.push(p.scratch([8]), p.scratch([8]));
    });
    p.scope(() => {
      seen.push(p.scratch([8]));
    });
    seen.push(outer);
  });
  const [a, b, c, outer] = seen.map(({ buffer }) => buffer);
  assert.equal(new Set([a, b, outer]).size, 3);
  assert.ok(c === a || c === b);
});

Deno.test("Program.scope() keeps what it returns until the outer scope ends", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  p.scope(() => {
    const kept = p.scope(() => {
      p.scratch([8]);
      return p.scratch([8]);
    });
    assert.notEqual(p.scratch([8]).buffer, kept.buffer);
    assert.notEqual(p.scratch([8]).buffer, kept.buffer);
  });
  assert.equal(memory.bytes, 3 * 32);
});

Deno.test("Program.scratch() needs a scope", () => {
  assert.throws(() => new Program("test", new Memory()).scratch([4]), GpuError);
});

Deno.test(
  { name: "Program refuses bindings that are missing or unknown", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const memory = new Memory();
    const y = memory.tensor("y", [1], "u32");
    memory.allocate(gpu);
    const program = (buffers: Record<string, Tensor>) => {
      const p = new Program("test", memory);
      p.dispatch({ kernel: SCALE, params: { factor: 1 }, buffers, groups: [1, 1, 1] });
      return p;
    };
    assert.throws(() => gpu.run(program({})), /TypeError: Cannot run scale: nothing is bound to y/);
    assert.throws(
      () => gpu.run(program({ y, z: y })),
      /TypeError: Cannot run scale: it has no binding z/,
    );
    memory.free(gpu);
  },
);

Deno.test({ name: "Program takes no dispatch once it is made", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const memory = new Memory();
  const p = new Program("test", memory);
  const y = memory.tensor("y", [1], "u32");
  memory.allocate(gpu);
  scale(p, y, 1, 0);
  gpu.run(p);
  assert.throws(() => scale(p, y, 1, 0), GpuError);
  memory.free(gpu);
});
