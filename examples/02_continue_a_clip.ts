/**
 * Continues a clip: reads its first frames and actions, and lets the model go on by turning left.
 *
 *     deno run -A examples/02_continue_a_clip.ts [CLIP] [FRAMES]
 */
import { fitFrame, loadPipeline, openFrameWriter, readClip, toFloat, toRgb } from "../mod.ts";

const demo = `${import.meta.dirname}/../weights/demo`;
const size = { width: 64, height: 64 };
const contextFrames = 12;
const frames = Number(Deno.args[1] ?? 12);

// any video, picture folder or array; centre-cropped and resized to the model's size
const clip = await readClip(Deno.args[0] ?? `${demo}/clips/1.npz`, { count: contextFrames });
const planes = clip.frames.map((frame) => {
  const picture = toFloat(frame);
  return fitFrame(picture, size.width, size.height).data;
});
const context = new Float32Array(contextFrames * 3 * size.width * size.height);
for (const [i, plane] of planes.entries()) context.set(plane, i * plane.length);

const pipeline = await loadPipeline(demo);
const left = 1;
const unknown = pipeline.info.condition.count; // the null class, for frames whose move is not known
const known = clip.actions?.slice(0, contextFrames) ?? Array(contextFrames).fill(unknown);
const actions = [...known, ...Array(frames).fill(left)];
const writer = await openFrameWriter("continued.mp4", { ...size, fps: pipeline.info.fps });
const options = { ...size, frames, context, contextFrames, actions, steps: 8 };
for await (const frame of pipeline.generate(options)) await writer.write(toRgb(frame.pixels));
const { path, frames: written } = await writer.close();
console.error(`${path}: ${written} frames, ${contextFrames} of them from the clip`);
await pipeline.close();
