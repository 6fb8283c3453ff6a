import assert from "node:assert/strict";
import { GpuError } from "../../gpu/errors.ts";
import { Gpu } from "../../gpu/gpu.ts";
import type { GenerateOptions } from "../../run/options.ts";
import { loadPipeline, openModelAt } from "../../released/load_pipeline.ts";
import type { Pipeline } from "../../run/pipeline.ts";
import type { Frame } from "../../run/prepared_run.ts";
import { memoryNeeded } from "../../run/memory_needed.ts";
import { assertGolden, relativeError } from "../support/close.ts";
import { type Golden, GOLDENS, openGolden } from "../support/far.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

/** After a whole generation: latents relative, frames absolute, as the goldens' README asks. */
const LATENTS = 1e-3;
const FRAMES = 1 / 255;

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

async function load(folder: string): Promise<Pipeline> {
  return await loadPipeline(GOLDENS + folder, { gpu: await testGpu(), dtype: "f32" });
}

/** A golden's own run as options: context pictures, noise by its seed, classes. */
async function goldenOptions(golden: Golden): Promise<GenerateOptions> {
  const number = (name: string) => Number(golden.metadata.get(name));
  const [videos, , , height, width] = golden.shape("frames.cached") as number[];
  const contextFrames = number("context");
  const frames = contextFrames + number("frames");
  const actions = golden.has("action") ? await golden.integers("action") : undefined;
  return {
    frames: number("frames"),
    count: videos,
    width,
    height,
    contextFrames,
    context: contextFrames ? await golden.floats("context_frames") : undefined,
    steps: number("steps"),
    guidance: number("guidance"),
    seed: number("noise_seed"),
    labels: golden.has("label") ? await golden.integers("label") : undefined,
    actions: actions &&
      Array.from({ length: videos! }, (_, i) => actions.slice(i * frames, (i + 1) * frames)),
  };
}

/** All of a run: latents and pixels as the goldens order them, [videos, frames, ...]. */
async function collect(
  pipeline: Pipeline,
  options: GenerateOptions,
): Promise<{ latents: Float32Array; pixels: Float32Array; order: string[] }> {
  const frames: Frame[] = [];
  for await (const frame of pipeline.generate(options)) frames.push(frame);
  const order = frames.map(({ index, video, kind }) => `${kind} ${index}.${video}`);
  frames.sort((a, b) => a.video - b.video || a.index - b.index);
  return {
    latents: Float32Array.from(frames.flatMap((frame) => [...frame.latents])),
    pixels: Float32Array.from(frames.flatMap((frame) => [...frame.pixels.data])),
    order,
  };
}

for (const [folder, name] of CASES) {
  for (const how of ["cached", "uncached"]) {
    Deno.test({
      name: `generate() agrees with the released pipeline: ${folder}/${name} ${how}`,
      ...GPU_TEST,
    }, async () => {
      const pipeline = await load(folder);
      const golden = await openGolden(`${folder}/${name}.safetensors`);
      const options = { ...await goldenOptions(golden), cache: how === "cached" };
      const noise = pipeline.prepare(options).noise;
      assert.ok(relativeError(noise, await golden.floats("noise")) < 1e-6, "noise differs");
      const { latents, pixels } = await collect(pipeline, options);
      const error = relativeError(latents, await golden.floats(`latents.${how}`));
      const expected = await golden.floats(`frames.${how}`);
      const worst = pixels.reduce((max, v, i) => Math.max(max, Math.abs(v - expected[i]!)), 0);
      const place = { golden: `${folder}/${name}`, by: "own kernels" };
      const from = `${how}, from pictures and seed`;
      assertGolden({ ...place, what: `latents ${from}`, tolerance: LATENTS }, { latents: error });
      assertGolden({ ...place, what: `frames ${from}`, tolerance: FRAMES }, { frames: worst });
      golden.close();
      await pipeline.close();
    });
  }
}

Deno.test({
  name: "generate() gives context frames first, then frames as they are made",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-label-flexrope");
  const run = { frames: 2, count: 2, width: 32, height: 32, labels: [1, 2], steps: 1 };
  const { order } = await collect(pipeline, run);
  assert.deepEqual(order, ["generated 0.0", "generated 0.1", "generated 1.0", "generated 1.1"]);
  await pipeline.close();
});

Deno.test({ name: "loadPipeline() can leave the transformer out", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const path = `${GOLDENS}far-uncond`;
  const progress: number[] = [];
  const onProgress = (done: number, total: number) => void progress.push(done / total);
  const whole = await loadPipeline(path, { gpu, dtype: "f32", onProgress });
  const part = await loadPipeline(path, { gpu, dtype: "f32", parts: "autoencoder" });
  try {
    assert(part.model.memory.bytes < whole.model.memory.bytes / 2);
    const { width, height } = { width: 32, height: 16 };
    const picture = new Float32Array(3 * width * height).map((_, i) => i % 7 / 7);
    const latents = await part.encode(picture, width, height);
    assert.deepEqual(latents, await whole.encode(picture, width, height));
    const options = { frames: 1, width, height };
    assert.equal(whole.plan(options).videos, 1);
    assert.throws(() => part.plan(options), { name: "TypeError", message: /only the autoencoder/ });
    assert.equal(progress.at(-1), 1); // of both files, and never backwards
    assert.deepEqual(progress, progress.toSorted((a, b) => a - b));
  } finally {
    await part.close();
    await whole.close();
  }
});

for (const poison of [NaN, Infinity, -Infinity]) {
  Deno.test({
    name: `generate(), encode() and decode() give no frame with ${poison} in its latents`,
    ...GPU_TEST,
  }, async () => {
    const pipeline = await load("far-uncond");
    const [width, height, volume] = [32, 32, 32 * 4 * 4];
    const options = { frames: 3, width, height, steps: 1 };
    const noise = pipeline.prepare(options).noise.fill(poison, volume + 5, volume + 6); // of frame 1
    const given: number[] = [];
    const failed = { reason: "non-finite", message: /values that are not finite: set/ };
    await assert.rejects(async () => {
      for await (const { index } of pipeline.generate({ ...options, noise })) given.push(index);
    }, { ...failed, message: /^Frame 1 has / });
    assert.deepEqual(given, [0]);
    const picture = new Float32Array(3 * width * height).fill(poison, 7, 8);
    await assert.rejects(() => pipeline.encode(picture, width, height), failed);
    await assert.rejects(async () => {
      for await (const _ of pipeline.decode(noise, 4, 4));
    }, failed);
    await pipeline.close();
  });
}

Deno.test(
  { name: "prepare() draws a run's noise once, and runs from it", ...GPU_TEST },
  async () => {
    const pipeline = await load("far-uncond");
    const options = { frames: 2, width: 32, height: 16, steps: 1, seed: 5 };
    const run = pipeline.prepare(options);
    assert.equal(run.noise, run.noise);
    assert.deepEqual(run.plan, pipeline.plan(options));
    const made = await Array.fromAsync(run.frames());
    const again = await Array.fromAsync(pipeline.generate({ ...options, noise: run.noise }));
    assert.deepEqual(again, made);
    await assert.rejects(() => run.frames().next(), /TypeError: Cannot run twice/);
    await pipeline.close();
  },
);

Deno.test({ name: "loadPipeline() plans without reading a weight", ...GPU_TEST }, async () => {
  const gpu = await testGpu();
  const path = `${GOLDENS}far-uncond`;
  const before = gpu.allocatedBytes;
  const onProgress = () => assert.fail("weights were read");
  const empty = await loadPipeline(path, { gpu, dtype: "f32", planOnly: true, onProgress });
  const whole = await loadPipeline(path, { gpu, dtype: "f32" });
  const options = { frames: 2, width: 32, height: 16 };
  assert.deepEqual(empty.plan(options), whole.plan(options));
  await whole.close();
  await empty.close();
  assert.equal(gpu.allocatedBytes, before);
});

Deno.test({
  name: "generate() submits a denoising step as one command buffer, and reads once per frame",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-uncond");
  const { device } = pipeline.gpu;
  const counted = async (steps: number, frames: number) => {
    let [submits, reads, bindGroups] = [0, 0, 0];
    const { queue, createBuffer, createBindGroup } = device;
    const submit = queue.submit;
    queue.submit = (buffers) => {
      submits += [...buffers].length;
      submit.call(queue, buffers);
    };
    device.createBuffer = (descriptor) => {
      reads += Number((descriptor.usage & GPUBufferUsage.MAP_READ) !== 0);
      return createBuffer.call(device, descriptor);
    };
    device.createBindGroup = (descriptor) => {
      bindGroups++;
      return createBindGroup.call(device, descriptor);
    };
    await collect(pipeline, { frames, width: 32, height: 32, steps }).finally(() => {
      Object.assign(queue, { submit });
      Object.assign(device, { createBuffer, createBindGroup });
    });
    return { submits, reads, bindGroups };
  };
  const [few, more, longer] = [await counted(2, 3), await counted(7, 3), await counted(2, 8)];
  assert.equal(more.submits - few.submits, 5 * 3);
  assert.deepEqual([few.reads, more.reads, longer.reads], [3, 3, 8]);
  assert.ok(few.bindGroups > 0);
  assert.deepEqual([more.bindGroups, longer.bindGroups], [few.bindGroups, few.bindGroups]);
  // a frame more: its steps, its decoding, its reading
  assert.equal(longer.submits - few.submits, 5 * (2 + 1 + 1));
  await pipeline.close();
});

Deno.test({ name: "generate() 20 times over leaves no memory behind", ...GPU_TEST }, async () => {
  const pipeline = await load("far-uncond");
  const options = { frames: 2, width: 32, height: 32, steps: 1 };
  const before = pipeline.gpu.allocatedBytes;
  await collect(pipeline, options);
  const peak = pipeline.gpu.peakBytes;
  for (let i = 0; i < 19; i++) await collect(pipeline, options);
  assert.equal(pipeline.gpu.allocatedBytes, before);
  assert.equal(pipeline.gpu.peakBytes, peak);
  await pipeline.close();
  assert.ok(pipeline.gpu.allocatedBytes < before);
});

Deno.test(
  { name: "generate() frees its memory when the caller leaves early", ...GPU_TEST },
  async () => {
    const pipeline = await load("far-uncond");
    const before = pipeline.gpu.allocatedBytes;
    for await (const frame of pipeline.generate({ frames: 5, width: 32, height: 32, steps: 1 })) {
      if (frame.index === 1) break;
    }
    assert.equal(pipeline.gpu.allocatedBytes, before);
    await pipeline.close();
  },
);

Deno.test({
  name: "generate() takes exactly the memory that plan() and memoryNeeded() say",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-long");
  const gpu = await testGpu();
  const options = { frames: 7, width: 32, height: 32, steps: 2, actions: Array(7).fill(1) };
  const { bytes } = pipeline.plan(options);
  const before = gpu.allocatedBytes;
  let during = 0;
  for await (const _ of pipeline.generate(options)) during = gpu.allocatedBytes - before;
  assert.equal(during, bytes.run);
  using model = await openModelAt(`${GOLDENS}far-long`);
  const need = memoryNeeded(model, { ...options, cpu: gpu.adapter.cpu });
  assert.equal(need.weights, bytes.weights);
  assert.ok(Math.abs(need.run - bytes.run) <= 0.02 * bytes.run, `${need.run} for ${bytes.run}`);
  await pipeline.close();
});

Deno.test({
  name: "generate() with resume continues to the same latents, bit for bit",
  ...GPU_TEST,
}, async () => {
  for (const folder of ["far-uncond", "far-long"]) {
    const pipeline = await load(folder);
    const actions = folder === "far-long" ? [0, 1, 2, 3, 0, 1, 2] : undefined;
    const options = { frames: 7, width: 32, height: 32, steps: 2, seed: 5, actions };
    const { latents } = await collect(pipeline, options);
    const volume = latents.length / 7;
    for (const done of [1, 3, 6]) {
      const resumed = await collect(pipeline, {
        ...options,
        resume: latents.slice(0, done * volume),
      });
      assert.deepEqual(resumed.latents, latents, `${folder} resumed after ${done}`);
    }
    await pipeline.close();
  }
});

Deno.test(
  { name: "generate() gives a video the same latents in a batch as alone", ...GPU_TEST },
  async () => {
    const pipeline = await load("far-action");
    const actions = [[0, 1, 2], [3, 3, 3]];
    const base = { frames: 3, width: 32, height: 32, steps: 2, guidance: 2 };
    const noise = pipeline.prepare({ ...base, count: 2, actions }).noise;
    const { latents } = await collect(pipeline, { ...base, count: 2, actions, noise });
    for (const video of [0, 1]) {
      const half = noise.length / 2;
      const alone = await collect(pipeline, {
        ...base,
        actions: actions[video],
        noise: noise.slice(video * half, (video + 1) * half),
      });
      const part = latents.subarray(video * latents.length / 2, (video + 1) * latents.length / 2);
      assert.ok(relativeError(part, alone.latents) <= 1e-6);
    }
    await pipeline.close();
  },
);

Deno.test(
  { name: "action i leads to frame i: it changes frame i and nothing before", ...GPU_TEST },
  async () => {
    const pipeline = await load("far-long");
    const base = { frames: 6, width: 32, height: 32, steps: 1 };
    const actions = [0, 0, 0, 0, 0, 0];
    const { latents } = await collect(pipeline, { ...base, actions });
    const volume = latents.length / 6;
    for (const changed of [0, 3, 5]) {
      const other = await collect(pipeline, { ...base, actions: actions.with(changed, 2) });
      const first = other.latents.findIndex((v, i) => v !== latents[i]);
      assert.equal(Math.floor(first / volume), changed);
    }
    await pipeline.close();
  },
);

Deno.test({ name: "generate() guidance -1 runs null classes only", ...GPU_TEST }, async () => {
  const pipeline = await load("far-action");
  const base = { frames: 2, width: 32, height: 32, steps: 2 };
  const nulls = Array(2).fill(pipeline.info.condition.count);
  const unconditional = await collect(pipeline, { ...base, guidance: -1, actions: [0, 1] });
  const expected = await collect(pipeline, { ...base, guidance: 1, actions: nulls });
  assert.deepEqual(unconditional.latents, expected.latents);
  await pipeline.close();
});

Deno.test(
  { name: "encode() and decode() reproduce the autoencoder's golden latents", ...GPU_TEST },
  async () => {
    const pipeline = await load("far-uncond");
    const golden = await openGolden("far-uncond/predict.safetensors");
    const pictures = await golden.floats("context_frames");
    const latents = await pipeline.encode(pictures, 32, 32);
    const scaled = latents.map((v) => v * pipeline.model.vae.scalingFactor);
    const expected = (await golden.floats("latents.cached")).subarray(0, latents.length);
    assert.ok(relativeError(scaled, expected) <= 2e-4);
    const decoded: number[] = [];
    for await (const { data } of pipeline.decode(latents, 4, 4)) decoded.push(...data);
    const frames = (await golden.floats("frames.cached")).subarray(0, decoded.length);
    assert.ok(decoded.every((v, i) => Math.abs(v - frames[i]!) <= FRAMES));
    golden.close();
    await pipeline.close();
  },
);

Deno.test(
  { name: "encode() and decode() say what helps if a GPU has no free memory", ...GPU_TEST },
  async () => {
    for (const what of ["encode", "decode"]) {
      const gpu = await Gpu.open(); // an error sticks to its device
      const pipeline = await loadPipeline(`${GOLDENS}far-uncond`, { gpu, dtype: "f32" });
      gpu.device.popErrorScope = () => Promise.resolve(new GPUOutOfMemoryError("no more"));
      const run = () =>
        what === "encode"
          ? pipeline.encode(new Float32Array(3 * 32 * 32), 32, 32)
          : Array.fromAsync(pipeline.decode(new Float32Array(32 * 4 * 4), 4, 4));
      await assert.rejects(run, {
        name: "GpuError",
        reason: "out-of-memory",
        message: /: \d+\.\d MB are needed for these pictures .*: use smaller `width` and `height`$/,
      });
      await pipeline.close();
      await gpu.close();
    }
  },
);

const BAD: [string, Partial<GenerateOptions>, RegExp][] = [
  ["no frames", { frames: 0 }, /frames must be a whole number of at least 1/],
  ["a size that is not divisible", { width: 36 }, /width must be a multiple of 16/],
  ["too few actions", { actions: [0, 1] }, /2 actions for 3 frames/],
  ["no actions", { actions: undefined }, /needs actions/],
  ["an action out of range", { actions: [0, 9, 0] }, /action 9 is not one of the model's: 0 to 3/],
  ["a label where there is none", { labels: [1] }, /takes no label/],
  ["steps out of range", { steps: 0 }, /steps must be a whole number from 1 to 1000/],
  [
    "noise of another size",
    { noise: new Float32Array(5) },
    /noise must be \[1, 3, 32, 4, 4\], 1536 numbers, but has 5 numbers$/,
  ],
  [
    "a context of another size",
    { context: new Float32Array(5), contextFrames: 1 },
    /context must be \[1, 1, 3, 32, 32\], 3072 numbers, but has 5 numbers$/,
  ],
];

Deno.test({ name: "plan() refuses bad options with one clear line", ...GPU_TEST }, async () => {
  const pipeline = await load("far-long");
  const good = { frames: 3, width: 32, height: 32, actions: [0, 1, 2], steps: 1 };
  pipeline.plan(good);
  for (const [what, change, message] of BAD) {
    const options = { ...good, ...change };
    assert.throws(() => pipeline.plan(options), (error: Error) => {
      assert.match(error.message, message, what);
      assert.ok(!error.message.includes("\n"));
      return error instanceof RangeError || error instanceof TypeError;
    });
  }
  await pipeline.close();
});

Deno.test({
  name: "plan() refuses what the GPU cannot hold, naming need, limit and options",
  ...GPU_TEST,
}, async () => {
  const pipeline = await load("far-uncond");
  assert.throws(
    () => pipeline.plan({ frames: 40000, width: 64, height: 64, steps: 1 }),
    (error: Error) =>
      error instanceof GpuError && error.reason === "limit" &&
      /needs .* MB .* allows .* MB: use fewer frames/.test(error.message),
  );
  await pipeline.close();
});
