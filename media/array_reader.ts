import { MediaError } from "./errors.ts";
import type { FrameStream, LazyFrame } from "./frame_stream.ts";
import type { FloatFrame, RgbFrame } from "./frames.ts";
import type { NpyArray, NpyData, NpyType } from "./npy.ts";
import { NpyFile, NpzFile } from "./npz.ts";

/** Sizes of an array of frames. */
interface VideoShape {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly isFloat: boolean;
}

/** A frame source that holds a file open. */
export type ArrayStream = FrameStream & Disposable;

/**
 * Opens a .npz in the layout of FAR's data sets: `video` (T, H, W, 3), bytes or floats in [0, 1],
 * and `actions` (T) where there are any.
 *
 * @throws {MediaError} when the arrays are missing, damaged, or of other shapes
 */
export async function openNpz(path: string): Promise<ArrayStream> {
  using file = await NpzFile.open(path);
  const video = await file.read(videoName(file.names));
  const shape = videoShape(video, path);
  const actions = file.names.includes("actions")
    ? readActions(await file.read("actions"), shape.count, path)
    : {};
  const size = shape.height * shape.width * 3;
  const frames = lazyFrames(shape, (k) => video.data.subarray(k * size, (k + 1) * size), path);
  const metadata = await file.readMetadata();
  return { frames, lossy: false, ...actions, metadata, warnings: [], [Symbol.dispose]: () => {} };
}

/**
 * Opens a .npy of frames (T, H, W, 3), or of one picture (H, W, 3). Only the frames that are asked
 * for are read.
 *
 * @throws {MediaError} when it is damaged or of another shape
 */
export async function openNpy(path: string): Promise<ArrayStream> {
  const file = await NpyFile.open(path);
  try {
    const shape = videoShape(file.header, path);
    const bytes = shape.count === 0 ? 0 : file.header.bytes / shape.count;
    const frames = lazyFrames(shape, (k) => file.read(k * bytes, bytes), path);
    return { frames, lossy: false, warnings: [], [Symbol.dispose]: () => file[Symbol.dispose]() };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** `video`, or the only array there is: np.savez without names calls it `arr_0`. */
function videoName(names: string[]): string {
  const others = names.filter((name) => name !== "actions");
  return !names.includes("video") && others.length === 1 ? others[0]! : "video";
}

function videoShape(
  { type, shape }: { readonly type: NpyType; readonly shape: readonly number[] },
  path: string,
): VideoShape {
  const sizes = shape.length === 3 ? [1, ...shape] : shape;
  const [count, height, width, channels] = sizes;
  const isFloat = type.startsWith("<f");
  if (sizes.length !== 4 || channels !== 3 || !height || !width || (!isFloat && type !== "|u1")) {
    throw new MediaError(
      `Cannot read "${path}": video must be (T, H, W, 3) of uint8 or float, ` +
        `but is (${shape.join(", ")}) of ${type}`,
    );
  }
  return { count: count!, height, width, isFloat };
}

/** Data sets hold other things by this name, too: an error only for those who want actions. */
function readActions(
  { type, shape, data }: NpyArray,
  count: number,
  path: string,
): Pick<FrameStream, "actions" | "unusableActions"> {
  if (shape.length !== 1 || !/[iu]/.test(type)) {
    return {
      unusableActions:
        `Cannot use the actions of "${path}": they must be (T) of whole numbers, but are ` +
        `(${shape.join(", ")}) of ${type}`,
    };
  }
  if (shape[0] !== count) {
    const unusableActions = `Cannot use the actions of "${path}": it has ${count} frames but ${
      shape[0]
    } actions`;
    return { unusableActions };
  }
  return { actions: Array.from(data as ArrayLike<number | bigint>, Number) };
}

function* lazyFrames(
  shape: VideoShape,
  read: (index: number) => NpyData | Promise<NpyData>,
  path: string,
): Generator<LazyFrame> {
  for (let index = 0; index < shape.count; index++) {
    yield {
      index,
      pixels: async () => {
        const data = await read(index);
        return shape.isFloat ? planarFloats(data as Float32Array, shape, path, index) : {
          width: shape.width,
          height: shape.height,
          data: data as Uint8Array,
        } satisfies RgbFrame;
      },
    };
  }
}

/** (H, W, 3) to (3, H, W); values a hair outside [0, 1] are rounding and are clamped. */
function planarFloats(
  values: ArrayLike<number>,
  { width, height }: VideoShape,
  path: string,
  index: number,
): FloatFrame {
  const pixels = width * height;
  const data = new Float32Array(pixels * 3);
  for (let i = 0; i < pixels * 3; i++) {
    const value = values[i]!;
    if (!(value >= -0.01 && value <= 1.01)) {
      throw new MediaError(
        `Cannot read "${path}": frame ${index} holds ${value}; floats must be in [0, 1]`,
      );
    }
    data[(i % 3) * pixels + Math.floor(i / 3)] = Math.min(1, Math.max(0, value));
  }
  return { width, height, data };
}
