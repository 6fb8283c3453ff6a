import assert from "node:assert/strict";
import { Memory } from "../../gpu/memory.ts";
import { schedule } from "../../model/scheduler.ts";
import { Session } from "../../model/session.ts";
import { relativeError } from "../support/close.ts";
import { type Golden, loadGoldenTransformer, openGolden } from "../support/far.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

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

for (const [folder, name] of CASES) {
  for (const [cache, dtype] of [[true, "f32"], [false, "f32"], [true, "f16"]] as const) {
    const how = `${cache ? "cached" : "uncached"} ${dtype}`;
    Deno.test({
      name: `Session agrees with the released code: ${folder}/${name} ${how}`,
      ...GPU_TEST,
    }, async () => {
      const golden = await openGolden(`${folder}/${name}.safetensors`);
      const latents = await generateLatents(folder, golden, cache, dtype);
      const expected = await golden.floats(`latents.${cache ? "cached" : "uncached"}`);
      const error = relativeError(latents, expected);
      console.error(`golden ${folder}/${name} ${how}: error ${error.toExponential(1)}`);
      assert.ok(error <= TOLERANCE[dtype], `error ${error} exceeds ${TOLERANCE[dtype]}`);
      golden.close();
    });
  }
}

/** Runs a golden's generation from its own context latents and noise. */
async function generateLatents(
  folder: string,
  golden: Golden,
  cache: boolean,
  dtype: "f32" | "f16",
): Promise<Float32Array> {
  const gpu = await testGpu();
  const { sizes, weights, memory: weightMemory } = await loadGoldenTransformer(folder, dtype);
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
  const session = new Session(weights, sizes, memory, { cpu: true }, {
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
