import { dirname, join } from "node:path";
import { makeFolder } from "../files/folders.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type FloatFrame, toRgb } from "../media/frames.ts";
import { openFrameWriter } from "../media/video_writer.ts";
import { loadPipeline } from "../released/load_pipeline.ts";
import type { DataSet } from "./data/data_set.ts";

/** Settings of a sample. */
export interface SampleOptions {
  readonly gpu: Gpu;
  /** Model folder. */
  readonly model: string;
  /** Its clip 0 gives the context and the actions. */
  readonly data: DataSet;
  readonly scalingFactor: number;
  readonly fps: number;
  /** Steps per frame (8). */
  readonly steps?: number;
  /** Folder of the files, and their name without extension. */
  readonly folder: string;
  readonly name: string;
}

/** Denoising steps per frame; enough to see what was learned. */
const STEPS = 8;
const MOST_FRAMES = 16;

/**
 * Continues the beginning of a clip with the current model and a fixed seed; writes a contact sheet
 * and an MP4.
 * @returns the contact sheet's path
 */
export async function makeSample(options: SampleOptions): Promise<string> {
  const { gpu, model, data, scalingFactor, fps, folder, name, steps = STEPS } = options;
  const total = Math.min(data.window.frames, MOST_FRAMES);
  const given = Math.max(1, Math.floor(total / 2));
  const { latents, classes } = await data.batch([{ clip: 0, start: 0 }]);
  const { channels, height, width } = data.sizes;
  const context = latents.slice(0, given * channels * height * width);
  for (let i = 0; i < context.length; i++) context[i]! *= scalingFactor;
  await using pipeline = await loadPipeline(model, { gpu, dtype: "f32" });
  const { compression, condition } = pipeline.info;
  const size = { width: width * compression, height: height * compression };
  const frames = pipeline.generate({
    frames: total,
    resume: context,
    ...size,
    ...(condition.kind === "action" && { actions: [...classes!.subarray(0, total)] }),
    ...(condition.kind === "label" && { labels: [classes![0]!] }),
    steps,
    seed: 0,
  });
  const pictures = (async function* () {
    for await (const { pixels } of frames) yield pixels;
  })();
  return await writeSample(join(folder, name), { ...size, fps }, pictures);
}

/**
 * Writes pictures as a contact sheet and as an MP4.
 * @param path without extension
 * @returns the contact sheet's path
 */
export async function writeSample(
  path: string,
  sizes: { readonly width: number; readonly height: number; readonly fps: number },
  pictures: AsyncIterable<FloatFrame>,
): Promise<string> {
  await makeFolder(dirname(path));
  const sheet = `${path}.png`;
  await using pictured = await openFrameWriter(sheet, sizes);
  await using filmed = await openFrameWriter(`${path}.mp4`, sizes);
  for await (const picture of pictures) {
    await pictured.write(toRgb(picture));
    await filmed.write(toRgb(picture));
  }
  await pictured.close();
  await filmed.close();
  return sheet;
}
