import assert from "node:assert/strict";
import { Memory } from "../../gpu/memory.ts";
import type { TuningTable } from "../../gpu/tuning.ts";
import { schedule } from "../../model/scheduler.ts";
import { Session } from "../../run/session.ts";
import { assertGolden, relativeError } from "../support/close.ts";
import { type Golden, loadGoldenTransformer, openGolden } from "../support/far.ts";
import { GPU_TEST, KERNELS, testGpu } from "../support/gpu.ts";

/** Latents after a whole generation: relative error as the goldens' README asks. */
const TOLERANCE = { f32: 1e-3, f16: 2e-2 } as const;

const CASES = [
  ["far-uncond", "generate"],
  ["far-uncond", "predict"],
  ["far-label-flexrope", "generate"],
  ["far-action", "predict"],
  ["far-patch2", "generate"],
  ["far-long", "generate"],
  ["far-long", "predict"],
  ["far-long-flexrope", "predict"],
] as const;

/** With KV caches and without, in both precisions, by every form of the kernels. */
const VARIANTS = [
  { cache: true, dtype: "f32", by: "own kernels" },
  { cache: false, dtype: "f32", by: "own kernels" },
  { cache: true, dtype: "f16", by: "own kernels" },
  { cache: true, dtype: "f32", by: "GPU kernels" },
  { cache: false, dtype: "f32", by: "GPU kernels, divided" },
  { cache: true, dtype: "f16", by: "GPU kernels, divided" },
  { cache: true, dtype: "f16", by: "GPU kernels, packed" },
] as const;

const PACKED = new Proxy<TuningTable>({}, { get: () => ({ packed: 1 }) });

/** All forms, and products added up in f16. */
const PROFILES: typeof KERNELS = {
  ...KERNELS,
  "GPU kernels, packed": ({ adapter: { f16 } }) => {
    assert.ok(f16, "no shader-f16");
    return { cpu: false, subgroupSize: 8, storageBuffers: 10, f16, tuning: PACKED };
  },
};

type Variant = typeof VARIANTS[number];

/** Whose model another case computes by all forms; `tools/golden_table.ts` asks for these too. */
const SHARED_MODELS = Deno.env.has("FAR_ALL_FORMS")
  ? []
  : ["far-uncond/generate", "far-long/generate"];

for (const [folder, name] of CASES) {
  for (const variant of VARIANTS) {
    const { cache, dtype, by } = variant;
    if (by !== "own kernels" && SHARED_MODELS.includes(`${folder}/${name}`)) continue;
    const how = cache ? "cached" : "uncached";
    Deno.test({
      name: `Session agrees with the released code: ${folder}/${name} ${how} ${dtype}, ${by}`,
      ...GPU_TEST,
    }, async () => {
      const golden = await openGolden(`${folder}/${name}.safetensors`);
      const latents = await generateLatents(folder, golden, variant);
      const expected = await golden.floats(`latents.${how}`);
      const error = relativeError(latents, expected);
      const place = { golden: `${folder}/${name}`, what: `latents ${how}, ${dtype}`, by };
      assertGolden({ ...place, tolerance: TOLERANCE[dtype] }, { latents: error });
      golden.close();
    });
  }
}

/** Runs a golden's generation from its own context latents and noise. */
async function generateLatents(
  folder: string,
  golden: Golden,
  { cache, dtype, by }: Variant,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const device = PROFILES[by]!(gpu);
  const loaded = await loadGoldenTransformer(folder, dtype, device);
  const { sizes, weights, memory: weightMemory } = loaded;
  const [videos, frames, channels, height, width] = golden.shape("latents.cached") as [
    number,
    number,
    number,
    number,
    number,
  ];
  const contextFrames = Number(golden.metadata.get("context"));
  const guidance = Number(golden.metadata.get("guidance"));
  const calls = schedule(Number(golden.metadata.get("steps")));
  const labels = golden.has("label") ? await golden.integers("label") : [];
  const actions = golden.has("action") ? await golden.integers("action") : [];
  const classOf = (video: number, frame: number) =>
    labels[video] ?? actions[video * frames + frame] ?? 0;
  const memory = new Memory();
  const session = new Session(weights, sizes, memory, device, {
    videos,
    height,
    width,
    contextFrames,
    frames,
    guidance: guidance > 1 ? "both" : guidance === -1 ? "null" : "conditional",
    classes: [...new Set([...labels, ...actions, ...(sizes.condition.kind === "none" ? [0] : [])])],
    timesteps: calls.map((call) => call.timestep),
    cache,
    cacheDtype: dtype,
  });
  memory.allocate(gpu);
  session.start(gpu);
  const volume = channels * height * width;
  const clean = await golden.floats("latents.cached");
  const noise = await golden.floats("noise");
  for (let video = 0; video < videos; video++) {
    for (let frame = 0; frame < frames; frame++) {
      const generated = frame - contextFrames;
      const at = generated < 0
        ? clean.subarray((video * frames + frame) * volume)
        : noise.subarray((video * (frames - contextFrames) + generated) * volume);
      session.writeLatents(gpu, video, frame, at.slice(0, volume));
    }
  }
  for (let frame = contextFrames; frame < frames; frame++) {
    session.denoise(gpu, frame, calls, classOf, guidance);
  }
  const latents = await gpu.readFloats(session.latents);
  memory.free(gpu);
  weightMemory.free(gpu);
  return latents;
}

/** Calls of WebGPU, by name, while `body` runs. */
function countingCalls(body: () => void): Record<string, number> {
  const calls: Record<string, number> = {};
  const undo: (() => void)[] = [];
  for (const type of [GPUDevice, GPUQueue, GPUCommandEncoder, GPUComputePassEncoder, GPUBuffer]) {
    const prototype = type.prototype as unknown as Record<string, unknown>;
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const property = Object.getOwnPropertyDescriptor(prototype, name)!;
      const own = property.value;
      if (name === "constructor" || typeof own !== "function" || !property.configurable) continue;
      const counting = function (this: unknown, ...args: unknown[]) {
        calls[name] = (calls[name] ?? 0) + 1;
        return own.apply(this, args);
      };
      Object.defineProperty(prototype, name, { ...property, value: counting });
      undo.push(() => Object.defineProperty(prototype, name, property));
    }
  }
  try {
    body();
  } finally {
    for (const put of undo) put();
  }
  return calls;
}

Deno.test({
  name: "a step is one pass and one submit; a frame allocates and awaits nothing",
  ...GPU_TEST,
}, async () => {
  const gpu = await testGpu();
  const { adapter: device } = gpu;
  const { sizes, weights, memory: weightMemory } = await loadGoldenTransformer(
    "far-uncond",
    "f32",
    device,
  );
  const calls = schedule(5);
  const memory = new Memory();
  const session = new Session(weights, sizes, memory, device, {
    videos: 1,
    height: 4,
    width: 4,
    contextFrames: 0,
    frames: 4,
    guidance: "conditional",
    classes: [0],
    timesteps: calls.map((call) => call.timestep),
    cache: true,
    cacheDtype: "f32",
  });
  memory.allocate(gpu);
  session.start(gpu);
  const denoise = (frame: number) => session.denoise(gpu, frame, calls, () => 0, 1);
  for (const frame of [0, 1]) denoise(frame); // makes pipelines and bind groups
  const counted = countingCalls(() => denoise(2));
  const dispatched = 4 * session.dispatches + session.passes(3, true)[0]!.program.dispatches;
  assert.deepEqual(
    [counted.submit, counted.createCommandEncoder, counted.beginComputePass, counted.finish],
    [5, 5, 5, 5],
  );
  assert.equal(counted.dispatchWorkgroups, dispatched);
  const others = Object.keys(counted).filter((name) =>
    /^(create(?!CommandEncoder)|map|onSubmitted|copy|pushErrorScope)/.test(name)
  );
  assert.deepEqual(others, []);
  await gpu.idle();
  memory.free(gpu);
  weightMemory.free(gpu);
});
