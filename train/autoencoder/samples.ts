import { join } from "node:path";
import type { Gpu } from "../../gpu/gpu.ts";
import { loadPipeline } from "../../released/load_pipeline.ts";
import type { DataSet } from "../data/data_set.ts";
import { writeSample } from "../samples.ts";

/** Settings of a sample. */
export interface PictureSample {
  readonly gpu: Gpu;
  /** Folder of the autoencoder. */
  readonly model: string;
  /** Pictures of its clip 0 are given. */
  readonly data: DataSet;
  readonly fps: number;
  /** Folder of the files, and their name without extension. */
  readonly folder: string;
  readonly name: string;
}

const MOST_FRAMES = 8;
/** Pictures for measuring the scale of latents. */
const MEASURED = 64;

/**
 * Pictures of a clip next to their reconstructions, as a contact sheet and an MP4.
 * @returns the contact sheet's path
 */
export async function samplePictures(options: PictureSample): Promise<string> {
  const { gpu, model, data, fps, folder, name } = options;
  const { height, width } = data.sizes;
  const clip = data.clips[0]!;
  const frames = Math.min(clip.frames, MOST_FRAMES);
  const given = await clip.read(0, frames, Math.floor(clip.frames / frames)); // from all of it
  await using pipeline = await loadPipeline(model, { gpu, dtype: "f32", parts: "autoencoder" });
  const { compression } = pipeline.info;
  const latents = await pipeline.encode(given, width, height);
  const [w, h] = [width / compression, height / compression];
  const pictures = (async function* () {
    let i = 0;
    for await (const made of pipeline.decode(latents, w, h)) {
      const own = given.subarray(i * made.data.length, ++i * made.data.length);
      const data = besideEachOther([own, made.data], width);
      yield { width: 2 * width, height, data };
    }
  })();
  return await writeSample(join(folder, name), { width: 2 * width, height, fps }, pictures);
}

/** Two planar pictures as one of twice the width. */
function besideEachOther(
  [left, right]: readonly [Float32Array, Float32Array],
  width: number,
): Float32Array {
  const both = new Float32Array(2 * left.length);
  for (let at = 0; at < left.length; at += width) {
    both.set(left.subarray(at, at + width), 2 * at);
    both.set(right.subarray(at, at + width), 2 * at + width);
  }
  return both;
}

/**
 * The factor that scales an autoencoder's latents to a deviation of 1, measured on pictures spread
 * evenly over the clips.
 * @returns undefined if all latents are equal
 */
export async function measureScale(
  { gpu, model, data }: Pick<PictureSample, "gpu" | "model" | "data">,
): Promise<number | undefined> {
  const { height, width } = data.sizes;
  await using pipeline = await loadPipeline(model, { gpu, dtype: "f32", parts: "autoencoder" });
  let [count, sum, squares] = [0, 0, 0];
  for (let i = 0; i < Math.min(MEASURED, data.frames); i++) {
    const clip = data.clips[Math.floor(i * data.clips.length / MEASURED)]!;
    const picture = await clip.read((i * 7919) % clip.frames, 1, 1);
    for (const value of await pipeline.encode(picture, width, height)) {
      count++;
      sum += value;
      squares += value * value;
    }
  }
  const deviation = Math.sqrt(squares / count - (sum / count) ** 2);
  return deviation > 0 ? Number((1 / deviation).toPrecision(5)) : undefined;
}
