import { extname } from "node:path";
import {
  ACTIONS_KEY,
  checkFloatFrames,
  isPattern,
  readMetadata,
  recordedActions,
  type ResizeMethod,
  type TensorInfo,
} from "../app.ts";
import {
  CheckpointError,
  type Clip,
  fitFrame,
  type FloatFrame,
  MediaError,
  NpzFile,
  readClip,
  readFloats,
  type RgbFrame,
  SafetensorsFile,
  toFloat,
} from "../mod.ts";
import { tensorActions } from "./action_file.ts";
import { type Classes, inFile, parseClassList } from "./actions.ts";
import type { Size } from "../cli/option.ts";
import { UsageError } from "../cli/errors.ts";
import { pulled } from "./pulled.ts";

/** Frames of one or more videos of the same length, ready for the model. */
export interface Source {
  readonly videos: number;
  /** Frames per video. */
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** [videos, frames, 3, height, width] in [0, 1]. */
  readonly data: Float32Array;
  readonly fps?: number;
  /**
   * Reads the clip's own actions, one per frame from its first picked frame to its end: one list
   * for all videos, or one each; undefined if it has none.
   * @throws {UsageError | MediaError} they are not actions of the model
   */
  readonly actions?: (classes: Classes) => Promise<readonly (readonly number[])[] | undefined>;
  /** Whether its pixels went through lossy compression. */
  readonly lossy: boolean;
  readonly warnings: readonly string[];
}

/** Which frames to read, and their size. */
export interface SourceOptions {
  readonly start?: number;
  readonly stride?: number;
  readonly count?: number;
  /** Whether fewer are acceptable if there are no more. */
  readonly upTo?: boolean;
  /** Centre-crop and resize to this size (unchanged). */
  readonly fit?: Fit;
}

/** The size that a model needs. */
export interface Fit extends Size {
  /** Exact arrays whose sides are multiples of this keep their size ... */
  readonly multiple: number;
  /** ... unless this is true. */
  readonly always?: boolean;
  /** Method of resizing (by area). */
  readonly resize?: ResizeMethod;
}

/**
 * Reads any source of frames: video, pictures, arrays or tensors.
 *
 * Pictures and videos are brought to the model's size. Arrays (.npz, .npy, .safetensors), which are
 * exact, keep theirs if the model supports it.
 * @throws {MediaError | CheckpointError} it cannot be read, or has too few frames
 */
export async function readSource(path: string, options: SourceOptions = {}): Promise<Source> {
  return extname(path).toLowerCase() === ".safetensors"
    ? await readTensors(path, options)
    : await readFrames(path, options);
}

/** A source whose frames are taken one after another. */
export interface StreamedSource {
  /** Pictures of one video, planar floats. */
  readonly frames: AsyncGenerator<FloatFrame, void, void>;
  /** What is known when all frames were taken. */
  facts(): Pick<Source, "fps" | "lossy" | "warnings"> | undefined;
}

/**
 * Reads frames of one video as they are asked for, as `readSource` would; tensors, which can hold
 * several videos, are not streamed.
 * @throws {MediaError} while frames are taken: it cannot be read, or has too few frames
 */
export function streamSource(path: string, options: SourceOptions): StreamedSource {
  const { start, stride, count, upTo, fit } = options;
  const exact = [".npz", ".npy"].includes(extname(path).toLowerCase());
  const size = fit && (fit.always || !exact) ? fit : undefined;
  let clip: Clip | undefined;
  let taken = 0;
  const frames = pulled<FloatFrame>(async (each) => {
    clip = await readClip(path, {
      ...{ start, stride, count, upTo, size, resize: fit?.resize },
      each: async (frame, index) => {
        if (index < taken) return; // a second reader, after the first one gave up
        taken++;
        const floats = toFloat(frame);
        await each(fit ? fitted(floats, fit) : floats);
      },
    });
  });
  return {
    frames,
    facts: () => clip && { fps: clip.fps, lossy: clip.lossy, warnings: clip.warnings },
  };
}

async function readFrames(path: string, options: SourceOptions): Promise<Source> {
  const { start, stride, count, upTo, fit } = options;
  const exact = [".npz", ".npy"].includes(extname(path).toLowerCase());
  const clip = await readClip(path, {
    start,
    stride,
    count,
    upTo,
    size: fit && (fit.always || !exact) ? { width: fit.width, height: fit.height } : undefined,
    resize: fit?.resize,
  });
  checkFloatFrames(path, fit ? fittedSize(clip, fit) : clip, clip.frames.length);
  const frames = (clip.frames as (RgbFrame | FloatFrame)[])
    .map(toFloat);
  return {
    ...joinFrames([fit ? frames.map((frame) => fitted(frame, fit)) : frames]),
    fps: clip.fps,
    actions: async (classes) => {
      if (clip.unusableActions) throw new MediaError(clip.unusableActions);
      const own = exact ? await arrayActions(path) : await videoActions(path, clip, classes);
      return own && [pickActions(own, options)];
    },
    lossy: clip.lossy,
    warnings: clip.warnings,
  };
}

/** All actions of an .npz, which may continue beyond the picked frames. */
async function arrayActions(path: string): Promise<number[] | undefined> {
  if (extname(path).toLowerCase() !== ".npz") return undefined;
  using file = await NpzFile.open(path);
  if (!file.names.includes("actions")) return undefined;
  const { data } = await file.readList("actions");
  return Array.from(data, Number);
}

/** The actions of a video made by the tool, possibly with the null action. */
async function videoActions(
  path: string,
  clip: Pick<Clip, "metadata" | "video">,
  classes: Classes,
): Promise<number[] | undefined> {
  const isMoving = /\.gif$/i.test(path) || isPattern(path);
  const metadata = clip.metadata ?? (isMoving ? await readMetadata(path) : {});
  const words = recordedActions(metadata);
  if (!words) return undefined;
  const own = inFile(
    path,
    () => parseClassList(words.join(","), { ...classes, count: classes.count + 1 }),
  );
  const isWhole = metadata[ACTIONS_KEY] !== undefined || own.length === clip.video?.frames;
  return isWhole ? own : undefined; // for more frames, or for fewer
}

/**
 * `frames` [videos, t, 3, H, W] or [t, 3, H, W], as `far generate` writes them, or U8 [t, H, W, 3], as
 * `far export` does.
 */
async function readTensors(path: string, options: SourceOptions): Promise<Source> {
  using file = await SafetensorsFile.open(path);
  const name = file.tensors.has("context_frames") && !file.tensors.has("frames")
    ? "context_frames"
    : "frames";
  const info = file.tensors.get(name);
  const shape = info?.shape ?? [];
  const [videos, length, channels, height, width] = shapeOfVideos(info);
  if (shape.length < 4 || shape.length > 5 || channels !== 3) {
    const found = shape.length > 0 ? `its shape is [${shape.join(", ")}]` : "it is missing";
    throw new CheckpointError(
      `Cannot read frames from "${path}": "frames" must be [videos, t, 3, H, W], but ${found}`,
      { file: path, reason: "WrongDtype" },
    );
  }
  const picked = pick(path, length!, options);
  const size = { width: width!, height: height! };
  checkFloatFrames(path, size, videos! * length!);
  if (options.fit) checkFloatFrames(path, fittedSize(size, options.fit), videos! * picked.length);
  const values = 3 * height! * width!;
  const all = arePictures(info)
    ? joinFrames([picturesIn(await file.read(info), size)]).data
    : await readFloats(file, name);
  const joined = Array.from({ length: videos! }, (_, video) =>
    picked.map((frame) => {
      const at = (video * length! + frame) * values;
      const data = all.subarray(at, at + values);
      checkUnit(data, path, frame);
      const picture = { ...size, data };
      return options.fit ? fitted(picture, options.fit) : picture;
    }));
  const own = (await tensorActions(file))?.map((list) => pickActions(list, options));
  const actions = () => Promise.resolve(own);
  return { ...joinFrames(joined), actions, lossy: false, warnings: [] };
}

/** Whether a tensor holds pictures as bytes, U8 [t, H, W, 3]. */
function arePictures(info: TensorInfo | undefined): info is TensorInfo {
  return info?.dtype === "U8" && info.shape.length === 4 && info.shape[3] === 3;
}

/** A tensor of frames as [videos, t, 3, H, W]. */
function shapeOfVideos(info: TensorInfo | undefined): readonly number[] {
  const shape = info?.shape ?? [];
  if (!arePictures(info)) return shape.length === 4 ? [1, ...shape] : shape;
  const [length, height, width] = shape;
  return [1, length!, 3, height!, width!];
}

function picturesIn(bytes: Uint8Array, size: Size): FloatFrame[] {
  const each = 3 * size.width * size.height;
  return Array.from(
    { length: bytes.length / each },
    (_, i) => toFloat({ ...size, data: bytes.subarray(i * each, (i + 1) * each) }),
  );
}

/** @throws {MediaError} values outside [0, 1] */
function checkUnit(values: Float32Array, path: string, frame: number): void {
  const strange = values.find((value) => !(value >= -0.01 && value <= 1.01));
  if (strange === undefined) return;
  throw new MediaError(
    `Cannot read "${path}": frame ${frame} holds ${strange}; frames must be in [0, 1]`,
  );
}

/** Indices of the wanted frames. @throws {UsageError} */
function pick(path: string, length: number, options: SourceOptions): number[] {
  if (length === 0) throw new UsageError(`Cannot read "${path}": it has no frames`);
  const { start = 0, stride = 1, upTo } = options;
  const available = Math.max(1, Math.ceil((length - start) / stride));
  const count = Math.min(options.count ?? available, upTo ? available : Infinity);
  const last = start + (count - 1) * stride;
  if (last >= length) {
    throw new UsageError(
      `Cannot take ${count} frames from "${path}": it has ${length}, but frame ${last} is needed`,
    );
  }
  return Array.from({ length: count }, (_, i) => start + i * stride);
}

function pickActions(actions: readonly number[], { start = 0, stride = 1 }: SourceOptions) {
  return actions.filter((_, i) => i >= start && (i - start) % stride === 0);
}

function fitted(frame: FloatFrame, fit: Fit): FloatFrame {
  const { width, height } = fittedSize(frame, fit);
  const isKept = width === frame.width && height === frame.height && !fit.always;
  return isKept ? frame : fitFrame(frame, width, height, fit.resize);
}

/** The size to which a frame is resized. */
function fittedSize({ width, height }: Size, fit: Fit): Size {
  const fits = width % fit.multiple === 0 && height % fit.multiple === 0;
  return fits && !fit.always ? { width, height } : fit;
}

/** Frames of equal size as one array. */
function joinFrames(videos: readonly (readonly FloatFrame[])[]) {
  const { width, height } = videos[0]![0]!;
  const frames = videos[0]!.length;
  const size = 3 * width * height;
  const data = new Float32Array(videos.length * frames * size);
  for (const [i, frame] of videos.flat().entries()) data.set(frame.data, i * size);
  return { videos: videos.length, frames, width, height, data };
}

/**
 * Reads `noise` from a .safetensors.
 * @param needed its shape, [count, frames, c, h, w]
 * @throws {CheckpointError} no such file or tensor
 * @throws {UsageError} noise of another shape
 */
export async function readNoise(path: string, needed: readonly number[]): Promise<Float32Array> {
  using file = await SafetensorsFile.open(path);
  const shape = file.tensors.get("noise")?.shape;
  if (shape && shape.join() !== needed.join()) {
    throw new UsageError(
      `Cannot use the noise of "${path}": it is [${shape.join(", ")}], but this run needs ` +
        `[${needed.join(", ")}], which is [count, frames, c, h, w]`,
    );
  }
  return await readFloats(file, "noise");
}
