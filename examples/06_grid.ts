/**
 * Renders a grid of trajectories: four walks from one place, with four plans, in one batch.
 *
 *     deno run -A examples/06_grid.ts [FRAMES]
 */
import { loadPipeline, openFrameWriter, readClip, toFloat, toRgb } from "../mod.ts";

const demo = `${import.meta.dirname}/../weights/demo`;
const [side, contextFrames] = [64, 8];
const frames = Number(Deno.args[0] ?? 16);
const clip = await readClip(`${demo}/clips/3.npz`, { count: contextFrames });
const context = new Float32Array(contextFrames * 3 * side * side);
for (const [i, frame] of clip.frames.entries()) {
  context.set(toFloat(frame).data, i * 3 * side * side);
}

const [forward, left, right, stay] = [0, 1, 2, 3];
const before = clip.actions!.slice(0, contextFrames);
const plans = [
  Array(frames).fill(forward),
  Array(frames).fill(left),
  Array(frames).fill(right),
  [...Array(frames / 2).fill(stay), ...Array(frames / 2).fill(forward)],
].map((plan) => [...before, ...plan]);

const pipeline = await loadPipeline(demo);
const grid = { width: 2 * side, height: 2 * side };
const writer = await openFrameWriter("grid.mp4", { ...grid, fps: pipeline.info.fps, scale: 2 });
const picture = { ...grid, data: new Uint8Array(3 * grid.width * grid.height) };
const options = { frames, count: 4, context, contextFrames, actions: plans, steps: 4, seed: 5 };
for await (
  const { video, pixels } of pipeline.generate({ width: side, height: side, ...options })
) {
  const { data } = toRgb(pixels);
  const [left, top] = [(video % 2) * side, Math.floor(video / 2) * side];
  for (let y = 0; y < side; y++) {
    const row = data.subarray(3 * side * y, 3 * side * (y + 1));
    picture.data.set(row, 3 * ((top + y) * grid.width + left));
  }
  if (video === 3) await writer.write(picture);
}
console.error(`${(await writer.close()).path}: four walks from one place`);
await pipeline.close();
