import assert from "node:assert/strict";
import { join } from "node:path";
import type { Pipeline } from "../../mod.ts";
import { parseTransformerConfig } from "../../model/config.ts";
import { loadPipeline } from "../../released/load_pipeline.ts";
import { Engine, longestStep } from "../../train/engine.ts";
import { arrangeInputs } from "../../train/inputs.ts";
import { train } from "../../train/train.ts";
import {
  type ParameterSource,
  RELEASED_SETTINGS,
  Trainer,
  type TrainerSettings,
} from "../../train/trainer.ts";
import { relativeError } from "../support/close.ts";
import { GOLDENS } from "../support/far.ts";
import { GPU_TEST, KERNELS, testGpu } from "../support/gpu.ts";
import { randomFloats, uniform } from "../support/random.ts";
import { goldenWeights } from "../support/train.ts";
import { SMALL, SMALL_WEIGHTS, smallBatch } from "./small_trainer.ts";
import { writeToyWorld } from "./toy_world.ts";

const WEIGHTS = "diffusion_pytorch_model.safetensors";
const DEMO = new URL("../../weights/demo", import.meta.url).pathname;
const WALK = { frames: 3, width: 64, height: 64, actions: [0, 1, 0], steps: 1, seed: 1 };

Deno.test(
  { name: "training changes nothing in what inference computes", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const pipeline = await loadPipeline(DEMO, { gpu, dtype: "f32" });
    const walk = async () => {
      const frames = await Array.fromAsync(pipeline.generate(WALK));
      return frames.map(({ latents, pixels }) => [...latents ?? [], ...pixels.data]);
    };
    try {
      const before = await walk();
      const trainer = await Trainer.open(gpu, { ...SMALL, microBatch: 1 }, SMALL_WEIGHTS);
      await trainer.submit(smallBatch(4, 1));
      const during = await walk();
      await trainer.flush();
      trainer.close();
      assert.deepEqual(during, before);
      assert.deepEqual(await walk(), before);
    } finally {
      await pipeline.close();
    }
  },
);

Deno.test(
  { name: "a folder in which training begins generates what its model does", ...GPU_TEST },
  async () => {
    const folder = await Deno.makeTempDir();
    const gpu = await testGpu();
    const walk = async (model: string) => {
      const pipeline = await loadPipeline(model, { gpu, dtype: "f32" });
      const { compression } = pipeline.info;
      const size = { width: 3 * compression, height: 3 * compression };
      const frames = pipeline.generate({ ...WALK, ...size });
      return await Array.fromAsync(frames, ({ latents, pixels }) => [latents, pixels.data])
        .finally(() => pipeline.close());
    };
    const source = `${GOLDENS}far-action`;
    const output = join(folder, "run");
    const clips = [await writeToyWorld(folder, 4, 8, uniform(1))];
    const sizes = { frames: 4, batch: 2, heldOut: 0 };
    const run = train({ clips, output, model: source, gpu, ...sizes, steps: 2, lr: 0.1 });
    try {
      assert.equal((await run.next()).value?.step, 1); // nothing is saved yet
      assert.deepEqual(await walk(output), await walk(source));
      for await (const _ of run);
      assert.notDeepEqual(await walk(output), await walk(source));
    } finally {
      await run.return();
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** Models, and frames of a video of which all but the last are clean. */
const FORWARDS = [
  ["far-uncond", 3],
  ["far-label-flexrope", 3],
  ["far-action", 4],
  ["far-patch2", 2],
  ["far-long", 3], // all in the window
  ["far-long", 7], // and long-term context
  ["far-long-flexrope", 6],
] as const;
/** Largest relative error between the velocities. */
const TOLERANCE = 1e-5;
const [HEIGHT, WIDTH] = [4, 4];

/** A video: latents and noise of all frames, and their classes. */
function video(channels: number, frames: number) {
  const frame = channels * HEIGHT * WIDTH;
  const [latents, noise] = [1, 2].map((seed) => randomFloats(frames * frame, seed, 2));
  const classes = Array.from({ length: frames }, (_, i) => i % 3);
  return { frame, latents: latents!, noise: noise!, classes };
}

/** The velocity that inference takes its only step with: from noise to noise - v. */
async function inferredVelocity(pipeline: Pipeline, frames: number): Promise<Float32Array> {
  const { channels, condition: { kind } } = pipeline.model.sizes;
  const { frame, latents, noise, classes } = video(channels, frames);
  const given = latents.slice(0, -frame);
  const { compression } = pipeline.info;
  const made = await Array.fromAsync(pipeline.generate({
    ...{ frames, height: HEIGHT * compression, width: WIDTH * compression },
    ...{ resume: given, noise, steps: 1, guidance: 1 },
    ...(kind === "action" && { actions: classes }),
    ...(kind === "label" && { labels: [classes[0]!] }),
  }));
  const last = made.at(-1)!.latents!;
  return noise.slice(-frame).map((value, i) => value - last[i]!);
}

/** The velocity of the last frame in a training pass. */
async function trainedVelocity(
  settings: TrainerSettings,
  weights: ParameterSource,
  by: string,
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { config } = settings;
  const frames = longestStep(settings);
  const { frame, latents, noise, classes } = video(config.channels, frames);
  const engine = new Engine(settings, KERNELS[by]!(gpu), { microBatch: 1, recompute: false });
  const given = config.condition.kind === "label" ? classes.slice(0, 1) : classes;
  const batch = { videos: 1, frames, latents, classes: Int32Array.from(given) };
  const draws = {
    ...{ frames, start: 0, noise, sigmaIndex: new Int32Array(frames) },
    clean: Uint8Array.from(classes, (_, i) => Number(i < frames - 1)),
    dropped: new Uint8Array(frames),
  };
  const inputs = arrangeInputs(settings, batch, draws, { first: 0, count: 1, lossScale: 1 });
  try {
    const { pass } = engine.pass(inputs.layout, "validate");
    engine.allocate(gpu);
    await engine.store.fill(gpu, weights);
    gpu.run(engine.prepare(gpu, inputs, "validate"));
    const { windowFrames } = inputs.layout;
    const { buffer } = pass.workspace.tensor("velocity", [windowFrames, frame]);
    const patches = new Float32Array(await gpu.read(buffer)).subarray((windowFrames - 1) * frame);
    return unpatchify(patches, config.channels, config.patch);
  } finally {
    engine.memory.free(gpu);
  }
}

/** Tokens by row and column, '(c p1 p2)' each, as a frame [c, h, w]. */
function unpatchify(patches: Float32Array, channels: number, patch: number): Float32Array {
  return Float32Array.from({ length: channels * HEIGHT * WIDTH }, (_, i) => {
    const [x, y, c] = [i % WIDTH, Math.floor(i / WIDTH) % HEIGHT, Math.floor(i / WIDTH / HEIGHT)];
    const token = Math.floor(y / patch) * WIDTH / patch + Math.floor(x / patch);
    return patches[(token * channels + c) * patch ** 2 + y % patch * patch + x % patch]!;
  });
}

for (const [folder, frames] of FORWARDS) {
  const name = `training and inference find the same velocity: ${folder}, ${frames} frames`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const path = `${GOLDENS}${folder}`;
    const text = await Deno.readTextFile(`${path}/transformer/config.json`);
    const config = parseTransformerConfig(JSON.parse(text));
    const weights = await goldenWeights(`${folder}/transformer/${WEIGHTS}`);
    const long = config.contextPatch !== undefined && frames > config.trainedWindow;
    const settings: TrainerSettings = {
      ...RELEASED_SETTINGS,
      ...{ config, height: HEIGHT, width: WIDTH, batch: 1, steps: 1, scalingFactor: 1 },
      // with long-term context a step takes fewer frames than the video has
      frames: long ? frames + 1 : frames,
      trainingType: long ? "long_context" : "base",
    };
    const pipeline = await loadPipeline(path, { gpu: await testGpu(), dtype: "f32" });
    const expected = await inferredVelocity(pipeline, frames).finally(() => pipeline.close());
    assert.ok(expected.some((value) => Math.abs(value) > 0.01));
    for (const by of ["own kernels", "GPU kernels"]) {
      const error = relativeError(await trainedVelocity(settings, weights, by), expected);
      assert.ok(error <= TOLERANCE, `${by}: ${error}`);
    }
  });
}
