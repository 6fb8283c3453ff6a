import assert from "node:assert/strict";
import { LiveWorld } from "../../run/live.ts";
import { loadPipeline } from "../../released/load_pipeline.ts";
import type { Pipeline } from "../../run/pipeline.ts";
import type { Frame } from "../../run/prepared_run.ts";
import { relativeError } from "../support/close.ts";
import { GOLDENS } from "../support/far.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

const SIZE = { width: 32, height: 32 };

async function load(folder: string): Promise<Pipeline> {
  return await loadPipeline(GOLDENS + folder, { gpu: await testGpu(), dtype: "f32" });
}

async function take(world: LiveWorld, actions: number[]): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (const action of actions) frames.push(await world.step(action));
  return frames;
}

for (const folder of ["far-long", "far-long-flexrope", "far-action"]) {
  Deno.test(
    { name: `LiveWorld.step() makes the frames of generate(): ${folder}`, ...GPU_TEST },
    async () => {
      const pipeline = await load(folder);
      const actions = [0, 1, 2, 3, 0, 1, 2, 3];
      const options = { ...SIZE, steps: 2, seed: 3 };
      const world = await LiveWorld.start(pipeline, options);
      const live = await take(world, actions);
      world.close();
      for await (const frame of pipeline.generate({ ...options, frames: 8, actions })) {
        const error = relativeError(live[frame.index]!.latents, frame.latents);
        assert.ok(error <= 1e-5, `frame ${frame.index}: ${error}`);
      }
      await pipeline.close();
    },
  );
}

Deno.test(
  { name: "LiveWorld continues context frames as generate() does", ...GPU_TEST },
  async () => {
    const pipeline = await load("far-long");
    const context = Float32Array.from({ length: 6 * 3 * 32 * 32 }, (_, i) => (i * 37 % 251) / 250);
    const given = { ...SIZE, steps: 2, seed: 3, context, contextFrames: 6 };
    const world = await LiveWorld.start(pipeline, { ...given, actions: [0, 1, 2, 3, 0, 1] });
    const live = await take(world, [2, 3]);
    world.close();
    const actions = [0, 1, 2, 3, 0, 1, 2, 3];
    for await (const frame of pipeline.generate({ ...given, frames: 2, actions })) {
      if (frame.kind === "context") continue;
      assert.ok(relativeError(live[frame.index - 6]!.latents, frame.latents) <= 1e-5);
      assert.equal(live[frame.index - 6]!.index, frame.index);
    }
    await pipeline.close();
  },
);

for (const folder of ["far-long", "far-action"]) {
  Deno.test(
    { name: `LiveWorld goes back, and makes the same again: ${folder}`, ...GPU_TEST },
    async () => {
      const pipeline = await load(folder);
      const world = await LiveWorld.start(pipeline, { ...SIZE, steps: 2, seed: 3 });
      await take(world, [0, 1, 2]);
      const { moment } = world;
      const first = await take(world, [3, 0, 1]);
      const later = world.moment;
      await world.goTo(moment);
      const [other] = await take(world, [2]);
      assert.equal(other!.index, 3);
      assert.ok(relativeError(other!.latents, first[0]!.latents) > 0.01);
      await world.goTo(moment);
      for (const [i, frame] of (await take(world, [3, 0, 1])).entries()) {
        assert.equal(frame.index, first[i]!.index);
        assert.ok(relativeError(frame.latents, first[i]!.latents) <= 1e-5, `frame ${i}`);
      }
      await world.goTo(later);
      assert.equal((await take(world, [0]))[0]!.index, 6);
      world.close();
      await pipeline.close();
    },
  );
}

Deno.test(
  { name: "LiveWorld.start() refuses a context of another length", ...GPU_TEST },
  async () => {
    const pipeline = await load("far-long");
    for (const context of [undefined, new Float32Array(2 * 3 * 32 * 32)]) {
      const start = LiveWorld.start(pipeline, { ...SIZE, steps: 1, context, contextFrames: 3 });
      const message =
        /^context must be \[1, 3, 3, 32, 32\], 9216 numbers, but has (0|6144) numbers$/;
      await assert.rejects(start, { name: "TypeError", message });
    }
    await pipeline.close();
  },
);

for (const folder of ["far-long", "far-action"]) {
  Deno.test({ name: `LiveWorld runs on within fixed memory: ${folder}`, ...GPU_TEST }, async () => {
    const pipeline = await load(folder);
    const world = await LiveWorld.start(pipeline, { ...SIZE, steps: 1, memoryFrames: 6 });
    await take(world, [0, 1, 2]);
    const bytes = pipeline.gpu.allocatedBytes;
    const frames = await take(world, Array.from({ length: 20 }, (_, i) => i % 4));
    assert.equal(pipeline.gpu.allocatedBytes, bytes);
    assert.ok(frames.every(({ latents }) => latents.every(Number.isFinite)));
    world.close();
    await pipeline.close();
  });
}

Deno.test({
  name: "LiveWorld may remember fewer frames than its window has",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-long"); // a window of 4 frames
  for (const memoryFrames of [1, 3, 4, 6]) {
    const world = await LiveWorld.start(pipeline, { ...SIZE, steps: 1, memoryFrames });
    await take(world, [0, 1, 2, 3, 0, 1, 2, 3, 0]);
    await world.configure({ steps: 2 }); // encodes what it remembers anew
    assert.equal((await take(world, [1, 2])).at(-1)!.index, 10);
    world.close();
  }
  await pipeline.close();
});

Deno.test({ name: "LiveWorld.step() gives no frame that is not finite", ...GPU_TEST }, async () => {
  const pipeline = await load("far-action");
  const world = await LiveWorld.start(pipeline, { ...SIZE, steps: 2, guidance: 3e38 });
  const error = { name: "GpuError", message: /^Frame 0 has values that are not finite/ };
  await assert.rejects(() => world.step(1), error);
  world.close();
  await pipeline.close();
});

Deno.test({
  name: "LiveWorld.configure() changes steps and guidance and keeps the memory",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-long");
  const world = await LiveWorld.start(pipeline, { ...SIZE, steps: 1, seed: 1 });
  await take(world, [0, 1, 2, 3, 0]);
  await world.configure({ steps: 2, guidance: 2 });
  const [frame] = await take(world, [1]);
  assert.equal(frame!.index, 5);
  await assert.rejects(world.configure({ steps: 0 }), RangeError);
  const [next] = await take(world, [1]);
  assert.equal(next!.index, 6);
  await assert.rejects(world.step(9), /action 9 is not one of the model's/);
  world.close();
  await pipeline.close();
});

Deno.test({
  name: "LiveWorld keeps its own copies of the frames that it returned",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-long");
  const world = await LiveWorld.start(pipeline, { ...SIZE, steps: 1 });
  for (const { latents, pixels } of await take(world, [0, 1])) {
    latents.fill(NaN);
    pixels.data.fill(NaN);
  }
  await world.configure({ steps: 2 });
  const [frame] = await take(world, [2]);
  assert.ok(frame!.latents.every(Number.isFinite));
  world.close();
  await pipeline.close();
});

Deno.test({
  name: "LiveWorld.configure() that needs too much memory changes nothing",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-long");
  const world = await LiveWorld.start(pipeline, { ...SIZE, steps: 1, seed: 1 });
  await take(world, [0, 1, 2]);
  const { systemMemoryInfo } = Deno;
  const none = { ...systemMemoryInfo(), available: 0 };
  Deno.systemMemoryInfo = () => {
    Deno.systemMemoryInfo = systemMemoryInfo; // for the old settings there is room again
    return none;
  };
  try {
    const error = { name: "GpuError", reason: "limit" };
    await assert.rejects(world.configure({ guidance: 2 }), error);
  } finally {
    Deno.systemMemoryInfo = systemMemoryInfo;
  }
  const [frame] = await take(world, [3]);
  assert.equal(frame!.index, 3);
  world.close();
  await pipeline.close();
});
