/**
 * A loop of your own over frames: the next action depends on what was just seen. Here the walker
 * goes forward while the middle of the picture looks free and turns right at a wall.
 *
 *     deno run -A examples/03_custom_loop.ts [FRAMES]
 */
import { type Frame, LiveWorld, loadPipeline, openFrameWriter, toRgb } from "../mod.ts";

const [forward, right] = [0, 2];

/** A wall fills the view where the column in the middle hardly changes from top to bottom. */
function facesWall({ pixels: { width, height, data } }: Frame): boolean {
  const column = Array.from({ length: height }, (_, y) => data[y * width + width / 2]!);
  const mean = column.reduce((a, b) => a + b) / height;
  return Math.sqrt(column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / height) < 0.06;
}

const pipeline = await loadPipeline(`${import.meta.dirname}/../weights/demo`);
const frames = Number(Deno.args[0] ?? 24);
const size = { width: 64, height: 64 };
const world = await LiveWorld.start(pipeline, { ...size, steps: 4, seed: 2 });
const writer = await openFrameWriter("explore.mp4", { ...size, fps: pipeline.info.fps });
let action = forward;
for (let i = 0; i < frames; i++) {
  const frame = await world.step(action);
  await writer.write(toRgb(frame.pixels));
  action = facesWall(frame) ? right : forward;
}
world.close();
console.error(`${(await writer.close()).path}: ${frames} frames`);
await pipeline.close();
