import assert from "node:assert/strict";
import { recordStep } from "../../bench/step.ts";
import { declareSynthetic } from "../../bench/synthetic_model.ts";
import { type Tunable, tunables } from "../../bench/tunables.ts";
import { candidates, tune } from "../../bench/tune.ts";
import { Memory } from "../../gpu/memory.ts";
import { type Dispatch, Program } from "../../gpu/program.ts";
import { type DeviceProfile, tensorKind } from "../../gpu/tuning.ts";
import { GpuTimer } from "../../gpu/timing.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { lastFrame } from "../../kernels/last_frame.ts";
import { Loader } from "../../model/loader.ts";
import { SyntheticWeights } from "../../model/synthetic_weights.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

function programs(device: DeviceProfile, dtype: "f32" | "f16" = "f32"): Program[] {
  const model = declareSynthetic({ architecture: "FAR_B", layers: 2, dtype, device });
  const size = { height: 8, width: 8 };
  const step = { frame: 16, kind: "later" } as const;
  return recordStep(model, new Memory(), device, size, step).passes.map(({ program }) => program);
}

Deno.test("tunables() finds each shape of a step once, with what matters on the device", () => {
  const cpu = tunables(programs({ cpu: true }));
  assert.deepEqual(cpu.map(({ key }) => key), [
    "linear 64x32x768 f32",
    "linear 64x768x2304 f32",
    "attention 64 of 1024x12 f32",
    "linear 64x768x768 f32 into",
    "linear 64x768x3072 f32",
    "linear 64x3072x768 f32 into",
    "linear 64x768x32 f32",
  ]);
  assert.deepEqual(cpu[0]!.builtIn, { rows: 32 });
  const gpu = tunables(programs({ cpu: false }));
  const qkv = (found: typeof gpu) => found.find(({ key }) => /64x768x2304/.test(key))!.builtIn;
  assert.deepEqual(qkv(gpu), { tile: 32, slices: 2, blocks: 2, ahead: 2 });
  const wide = tunables(programs({ cpu: false, subgroupSize: 32 }));
  assert.deepEqual(qkv(wide), { tile: 32, slices: 2, blocks: 2, ahead: 2, shuffle: 0 });
  // the products that follow a norm normalise on GPUs
  const plain = gpu.map(({ key }) => key.replace(/ norm$/, ""));
  assert.deepEqual(plain, cpu.map(({ key }) => key));
  const normed = gpu.filter(({ key }) => / norm$/.test(key)).map(({ key }) => key.split(" ")[1]);
  assert.deepEqual(normed, ["64x768x2304", "64x768x3072", "64x768x32"]);
});

Deno.test("tunables() finds queries, keys and values in one where kernels have buffers enough", () => {
  const found = tunables(programs({ cpu: false, storageBuffers: 10 }));
  assert.deepEqual(
    found.filter(({ key }) => /^qkv|x2304/.test(key)).map(({ key, builtIn }) => [key, builtIn]),
    [
      ["qkv 64x768x2304 f32", { tile: 32, slices: 2, ahead: 2 }],
    ],
  );
});

Deno.test("tunables() has sums in f16 and shared k for the products of blocks only", () => {
  const device = { cpu: false, f16: true, storageBuffers: 10 };
  const varied = (dtype: "f32" | "f16", from: DeviceProfile = device) =>
    tunables(programs(from, dtype)).map(({ key, builtIn: { packed, split } }) => [
      key.replace(/ f\d\d/, ""),
      packed,
      key.startsWith("attention") ? undefined : split,
    ]);
  const none = undefined;
  const wanted = (packed: number | undefined) => [
    ["linear 64x32x768", none, none],
    ["qkv 64x768x2304", packed, none],
    ["attention 64 of 1024x12", none, none],
    ["linear 64x768x768 into", packed, 1],
    ["linear 64x768x3072 norm", packed, none],
    ["linear 64x3072x768 into", packed, 1],
    ["linear 64x768x32 norm", packed, none],
  ];
  assert.deepEqual(varied("f16"), wanted(0));
  assert.deepEqual(varied("f32"), wanted(none));
  assert.deepEqual(varied("f16", { ...device, f16: false }), wanted(none));
});

Deno.test("tunables() record what the model runs", () => {
  for (
    const device of [
      { cpu: true },
      { cpu: false },
      { cpu: false, subgroupSize: 32, wide: true, storageBuffers: 10 },
    ]
  ) {
    const model = programs(device);
    const same = ({ kernel, constants, params }: Dispatch) => {
      const { m, k, n, residual, queries, slots, heads } = params ?? {};
      return JSON.stringify([kernel.name, constants, { m, k, n, residual, queries, slots, heads }]);
    };
    const wanted = new Set(model.flatMap(({ recorded }) => recorded.map(same)));
    for (const { key, builtIn, record } of tunables(model)) {
      const p = new Program("tuned", new Memory(), device);
      p.scope(() => void record(p, builtIn));
      for (const dispatch of p.recorded) {
        assert.ok(wanted.has(same(dispatch)), `${key}: ${same(dispatch)}`);
      }
    }
  }
});

Deno.test("candidates() combines all choices, the built-in one first", () => {
  const linear = candidates({ key: "linear 1x2x3 f32", builtIn: { rows: 16 } });
  assert.deepEqual(linear, [{ rows: 16 }, { rows: 8 }, { rows: 32 }]);
  const attention = candidates({ key: "attention 64", builtIn: { ahead: 1, split: 4 } });
  assert.equal(attention.length, 10);
  assert.deepEqual(attention[0], { ahead: 1, split: 4 });
  assert.equal(new Set(attention.map((numbers) => JSON.stringify(numbers))).size, 10);
  const some = candidates({ key: "attention 64", builtIn: { ahead: 1, split: 4 } }, ["ahead"]);
  assert.deepEqual(some, [{ ahead: 1, split: 4 }, { ahead: 0, split: 4 }]);
});

Deno.test({
  name: "tune() measures every way and keeps the built-in one unless another is faster",
  ...GPU_TEST,
}, async () => {
  const gpu = await testGpu();
  const timer = await GpuTimer.open(gpu);
  try {
    const { cpu, subgroupSize } = gpu.adapter;
    const profiles: DeviceProfile[] = [{ cpu, subgroupSize }, { cpu: false, subgroupSize }];
    // on GPUs there are more ways than a test has time for
    const [cpuWay, gpuWay] = profiles.map((device) => tunables(programs(device))[0]!);
    const small = [cpuWay!, { ...gpuWay!, builtIn: { ahead: 4, shuffle: 0 } }];
    for (const tunable of small) {
      const before = gpu.allocatedBytes;
      const result = await tune(gpu, timer, tunable, { runs: 1, seconds: 0, clock: "cpu" });
      assert.equal(result.key, tunable.key);
      assert.deepEqual(result.builtIn, tunable.builtIn);
      assert.ok(candidates(tunable).some((c) => JSON.stringify(c) === JSON.stringify(result.best)));
      assert.ok(result.builtInSeconds > 0 && result.bestSeconds <= result.builtInSeconds);
      assert.equal(gpu.allocatedBytes, before);
    }
  } finally {
    timer.close();
  }
});

Deno.test({ name: "tune() drops variants with wrong results", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const timer = await GpuTimer.open(gpu);
  try {
    const [tunable] = tunables(programs({ cpu: false }));
    const builtIn = { tile: 64, slices: 2 };
    // every other way is made to give zeros, at no cost
    const record: Tunable["record"] = (p, tuning) =>
      tuning.tile === 64 && tuning.slices === 2
        ? tunable!.record(p, tuning)
        : lastFrame(p, p.memory.tensor("zeros", [1, 2, 64, 768]));
    const how = { runs: 1, seconds: 0, clock: "cpu" } as const;
    const result = await tune(gpu, timer, { key: tunable!.key, builtIn, record }, how);
    assert.deepEqual(result.best, builtIn);
  } finally {
    timer.close();
  }
});

Deno.test({ name: "tune() measures convolutions in all their forms", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const timer = await GpuTimer.open(gpu);
  const { cpu, subgroupSize } = gpu.adapter;
  const numbers: Record<string, number>[] = [];
  try {
    for (const device of [{ cpu, subgroupSize }, { cpu: false, subgroupSize }]) {
      const p = new Program("convolution", new Memory(), device);
      const loader = new Loader(new SyntheticWeights(), p.memory, "f32", tensorKind(device));
      const weights = loader.conv("w", [36, 8], { size: 3, bias: false });
      p.scope(() => void conv2d(p, weights, p.memory.tensor("x", [1, 5, 6, 8])));
      const [tunable] = tunables([p]);
      assert.equal(tunable!.key, "conv2d 30x8x36 9 f32");
      const { builtIn } = tunable!;
      numbers.push(builtIn);
      const few = device.cpu ? builtIn : { tile: 32, shuffle: 0 };
      const how = { runs: 1, seconds: 0, clock: "cpu" } as const;
      const result = await tune(gpu, timer, { ...tunable!, builtIn: few }, how);
      assert.ok(result.bestSeconds > 0);
    }
  } finally {
    timer.close();
  }
  assert.deepEqual(numbers, [{ rows: 32 }, {
    tile: 32,
    slices: 1,
    blocks: 1,
    ahead: 2,
    shuffle: 0,
  }]);
});

Deno.test({ name: "tune() measures attention over a full cache", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const timer = await GpuTimer.open(gpu);
  try {
    const attention = tunables(programs({ cpu: false })).find(({ key }) => /^attention/.test(key))!;
    const builtIn = { ahead: 1, split: 1 };
    const result = await tune(
      gpu,
      timer,
      { ...attention, key: "other", builtIn },
      { runs: 1, seconds: 0, clock: "cpu" },
    );
    assert.deepEqual(result.best, builtIn);
    assert.ok(result.bestSeconds > 0);
  } finally {
    timer.close();
  }
});
