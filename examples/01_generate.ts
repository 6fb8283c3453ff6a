/**
 * Generates a short walk through the demo's maze and writes an MP4.
 *
 *     deno run -A examples/01_generate.ts [STEPS]
 */
import { loadPipeline, openFrameWriter, toRgb } from "../mod.ts";

const pipeline = await loadPipeline(`${import.meta.dirname}/../weights/demo`);
const [forward, left] = [0, 1];
const actions = [...Array(12).fill(forward), ...Array(4).fill(left)];
const size = { width: 64, height: 64 };
const steps = Number(Deno.args[0] ?? 8); // of denoising a frame: more take longer and look better

const writer = await openFrameWriter("walk.mp4", { ...size, fps: pipeline.info.fps });
for await (const frame of pipeline.generate({ ...size, frames: 16, actions, steps, seed: 1 })) {
  await writer.write(toRgb(frame.pixels));
}
const { path, frames } = await writer.close();
console.error(`${path}: ${frames} frames`);
await pipeline.close();
