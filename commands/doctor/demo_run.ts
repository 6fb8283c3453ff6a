import { join } from "node:path";
import type { Pipeline } from "../../mod.ts";
import { readSource } from "../../request/sources.ts";

/** Samples of the demo's run, for its golden. */
export interface DemoRun {
  /** Samples of the last frame's latents. */
  readonly latents: readonly number[];
  readonly pixels: readonly number[];
}

const CONTEXT_FRAMES = 10;
const SAMPLES = 48;

/**
 * Continues one of the demo's clips by two frames, guided: the autoencoder both ways, both levels
 * of the cache, and both halves of guidance.
 */
export async function runDemo(pipeline: Pipeline): Promise<DemoRun> {
  const path = join(pipeline.info.path, "clips", "1.npz");
  const source = await readSource(path, { count: CONTEXT_FRAMES });
  const { condition: { count }, actions: names } = pipeline.info;
  const [own = []] = await source.actions!({ kind: "action", count, names }) ?? [];
  let run: DemoRun = { latents: [], pixels: [] };
  const frames = pipeline.generate({
    frames: 2,
    context: source.data,
    contextFrames: CONTEXT_FRAMES,
    width: source.width,
    height: source.height,
    actions: [...own.slice(0, CONTEXT_FRAMES), 0, 1],
    steps: 2,
    schedule: { shift: 1 }, // of the released models, whatever suits the demo
    guidance: 1.5,
    seed: 7,
  });
  for await (const { latents, pixels } of frames) {
    run = { latents: sample(latents), pixels: sample(pixels.data) };
  }
  return run;
}

function sample(values: Float32Array): number[] {
  return Array.from({ length: SAMPLES }, (_, i) => values[(i * 7919) % values.length]!);
}
