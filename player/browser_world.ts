import { MemorySource } from "../files/byte_source.ts";
import { GpuError } from "../gpu/errors.ts";
import { toFloat, toRgb } from "../media/frames.ts";
import { openModel } from "../model/model.ts";
import { LiveWorld } from "../run/live.ts";
import { makePipeline, type Pipeline } from "../run/pipeline.ts";
import { Checkpoint } from "../weights/checkpoint.ts";
import { toIntegers } from "../weights/floats.ts";
import type { ModelFolder } from "../weights/model_folder.ts";
import { SafetensorsReader } from "../weights/safetensors_reader.ts";
import { download, JoinedFile, type OnBytes, PlayerError } from "./download.ts";
import type { GameOptions, Opening } from "./game.ts";
import {
  type ClipFile,
  parseWorldFile,
  WORLD_FILE,
  type WorldFile,
  type WorldPart,
} from "./world_file.ts";

/** Name of the start without a clip. */
export const NOTHING = "nothing";

/** Reads `world.json`. @throws {PlayerError} it is missing or invalid */
export async function fetchWorldFile(base: URL): Promise<WorldFile> {
  const url = new URL(WORLD_FILE, base);
  try {
    const response = await fetch(url);
    if (!response.ok) throw new SyntaxError(`the host answers with status ${response.status}`);
    return parseWorldFile(await response.text());
  } catch (cause) {
    const why = cause instanceof SyntaxError ? cause.message : "the connection broke off";
    throw new PlayerError(
      `Cannot read ${url.pathname}: ${why}. Upload the whole folder that far export wrote.`,
      { cause },
    );
  }
}

/** Total bytes to load. */
export function worldBytes({ transformer, vae }: WorldFile): number {
  const files = [...transformer.weights, ...vae.weights];
  return files.flatMap(({ pieces }) => pieces).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Downloads a model and loads it onto the GPU. @throws {PlayerError | GpuError | CheckpointError} */
export async function loadWorld(world: WorldFile, base: URL, onBytes: OnBytes): Promise<Pipeline> {
  const part = (name: string, { config, weights }: WorldPart) => ({
    path: name,
    config,
    weights: name,
    open: async () => {
      const files: SafetensorsReader[] = [];
      for (const file of weights) {
        const joined = await JoinedFile.download(name, file, base, onBytes);
        files.push(await SafetensorsReader.from(joined));
      }
      return Checkpoint.of(name, files);
    },
  });
  const folder: ModelFolder = {
    path: typeof world.far.name === "string" ? world.far.name : "world",
    modelIndex: world.modelIndex,
    scheduler: world.scheduler,
    far: world.far,
    transformer: part("transformer", world.transformer),
    vae: part("vae", world.vae),
  };
  using model = await openModel(folder);
  return await makePipeline(model);
}

/** Opens worlds of a page: from a clip's frames, or from noise. */
export function worldOpener(
  pipeline: Pipeline,
  { settings: own, clips }: WorldFile,
  base: URL,
): GameOptions["open"] {
  return async (name, settings, label) => {
    const clip = clips.find((clip) => clip.name === name);
    const start = clip && await fetchClip(clip, base, own);
    const { width, height, seed, memoryFrames } = own;
    const world = await LiveWorld.start(pipeline, {
      ...settings,
      width,
      height,
      labels: label === undefined ? undefined : [label],
      context: start?.context,
      contextFrames: start?.frames ?? 0,
      actions: start?.actions,
      seed,
      memoryFrames,
      windowCache: pipeline.info.windowCache,
    });
    return { world, picture: start?.picture, frames: start?.frames ?? 0 };
  };
}

interface Start extends Pick<Opening, "picture" | "frames"> {
  /** [frames, 3, height, width] in [0, 1]. */
  readonly context: Float32Array;
  readonly actions: readonly number[] | undefined;
}

async function fetchClip(
  { name, path, bytes }: ClipFile,
  base: URL,
  { width, height }: { width: number; height: number },
): Promise<Start> {
  const data = await download(new URL(path, base), bytes, () => {});
  const file = await SafetensorsReader.from(new MemorySource(data, name));
  const info = file.tensors.get("frames");
  const pixels = 3 * width * height;
  if (!info || info.bytes % pixels !== 0) {
    throw new PlayerError(`The clip ${name} has another size than the world. Export it again.`);
  }
  const values = await file.read(info);
  const frames = info.bytes / pixels;
  const context = new Float32Array(values.length);
  for (let i = 0; i < frames; i++) {
    const frame = { width, height, data: values.subarray(i * pixels, (i + 1) * pixels) };
    context.set(toFloat(frame).data, i * pixels);
  }
  const actions = file.tensors.get("actions");
  const last = context.subarray((frames - 1) * pixels);
  return {
    context,
    frames,
    actions: actions && toIntegers(await file.read(actions), actions.dtype, "actions"),
    picture: toRgb({ width, height, data: last }),
  };
}

/** An error in words for the page's visitor: what is wrong, and what to do. */
export function inPageWords(error: unknown): string {
  if (error instanceof PlayerError) return error.message;
  if (!(error instanceof GpuError)) {
    return `The world cannot be loaded: ${error instanceof Error ? error.message : error}.`;
  }
  switch (error.reason) {
    case "no-adapter":
      return "This browser finds no GPU that it may use. Switch on hardware acceleration in its " +
        "settings, update the graphics driver, or open the page on another device.";
    case "lost":
      return "The GPU was lost: its driver was restarted, or the device slept. Reload the page.";
    case "out-of-memory":
    case "limit":
      return "This device's GPU has not enough memory for this world. Close other pages and " +
        "programs, or open the page on a larger device.";
    default:
      return `The GPU failed: ${error.message}. Reload the page, or try another browser.`;
  }
}
