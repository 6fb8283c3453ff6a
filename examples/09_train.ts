/**
 * Fine-tunes the demo on recorded play, then walks through what it has learned. Stopped and started
 * again, it continues; `far play -m world` plays the same model, also while it trains.
 *
 *     deno run -A examples/09_train.ts [STEPS] [FOLDER]
 *
 * FOLDER holds clips with actions, such as `far play --record` and `far import` write; the demo's own
 * clips stand in where none is named. A step takes a few seconds without a GPU.
 */
import { fileURLToPath } from "node:url";
import { loadPipeline, openFrameWriter, toRgb, train } from "../mod.ts";

const demo = fileURLToPath(new URL("../weights/demo", import.meta.url));
const [steps = "100", folder = `${demo}/clips`] = Deno.args;
const output = "world";

const recipe = { batch: 1, frames: 12, lr: 3e-4, ema: 0.9, saveEvery: 20 };
const options = { clips: [folder], model: demo, output, steps: Number(steps), ...recipe };
for await (const { step, loss, seconds } of train(options)) {
  console.error(`step ${step}: loss ${loss.toFixed(4)}, ${seconds.toFixed(1)} s`);
}

const world = await loadPipeline(output);
const [forward, left] = [0, 1];
const actions = [...Array(8).fill(forward), ...Array(4).fill(left)];
const size = { width: 64, height: 64 };
const writer = await openFrameWriter("world.mp4", { ...size, fps: world.info.fps });
for await (const frame of world.generate({ ...size, frames: 12, actions, steps: 4 })) {
  await writer.write(toRgb(frame.pixels));
}
await writer.close();
await world.close();
