/**
 * A sampler of your own: search instead of a single draw. For each few frames several candidates
 * are drawn, the one that a rule of yours likes best is kept, and the rest goes on from there. Here
 * the rule is: the walls ahead should be as colourful as can be.
 *
 *     deno run -A examples/07_custom_sampler.ts [ROUNDS]
 */
import { type Frame, loadPipeline, openFrameWriter, toRgb } from "../mod.ts";

const pipeline = await loadPipeline(`${import.meta.dirname}/../weights/demo`);
const size = { width: 64, height: 64 };
const rounds = Number(Deno.args[0] ?? 4);
const [block, candidates, forward] = [4, 3, 0];

/** Mean distance between the largest and smallest colour of a pixel. */
function colourfulness({ pixels: { data } }: Frame): number {
  const plane = data.length / 3;
  let sum = 0;
  for (let i = 0; i < plane; i++) {
    const colours = [data[i]!, data[plane + i]!, data[2 * plane + i]!];
    sum += Math.max(...colours) - Math.min(...colours);
  }
  return sum / plane;
}

let kept: Frame[] = [];
for (let round = 0; round < rounds; round++) {
  const frames = (round + 1) * block;
  // every candidate begins with the latents that were kept: a run is resumed from them
  const latents = kept.flatMap((frame) => [...frame.latents]);
  const resume = Float32Array.from(Array(candidates).fill(latents).flat());
  const drawn: Frame[][] = Array.from({ length: candidates }, () => []);
  const options = { ...size, frames, count: candidates, steps: 4, seed: round };
  const actions = Array(frames).fill(forward);
  const from = kept.length > 0 ? { resume } : {};
  for await (const frame of pipeline.generate({ ...options, actions, ...from })) {
    drawn[frame.video]!.push(frame);
  }
  const score = (frames: Frame[]) => frames.slice(-block).reduce((s, f) => s + colourfulness(f), 0);
  kept = drawn.reduce((best, one) => score(one) > score(best) ? one : best);
  console.error(`${kept.length} frames, colourfulness ${(score(kept) / block).toFixed(3)}`);
}

const writer = await openFrameWriter("colourful.mp4", { ...size, fps: pipeline.info.fps });
for (const frame of kept) await writer.write(toRgb(frame.pixels));
console.error((await writer.close()).path);
await pipeline.close();
