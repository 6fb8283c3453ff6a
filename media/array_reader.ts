import { checkSize, MOST_ARRAY_BYTES, MOST_FRAMES, TooMuchError } from "./budget.ts";
import { MediaError } from "./errors.ts";
import type { Announced, FrameStream, LazyFrame } from "./frame_stream.ts";
import type { FloatFrame, RgbFrame } from "./frames.ts";
import type { NpyArray, NpyData, NpyHeader } from "./npy.ts";
import type { NpyStream } from "./npy_stream.ts";
import { NpyFile, NpzFile } from "./npz.ts";

/** Sizes of an array of frames. */
interface VideoShape extends Announced {
  readonly count: number;
  /** Of one frame in the file. */
  readonly frameBytes: number;
}

/** A frame source that holds a file open. */
export type ArrayStream = FrameStream & Disposable;

/**
 * Opens a .npz in the layout of FAR's data sets: `video` (T, H, W, 3), bytes or floats in [0, 1],
 * and optionally `actions` (T).
 *
 * @throws {MediaError} when the arrays are missing, damaged, or of other shapes
 */
export async function openNpz(path: string): Promise<ArrayStream> {
  using opened = new DisposableStack();
  const file = opened.use(await NpzFile.open(path));
  const name = videoName(file.names);
  const header = await file.header(name);
  const shape = videoShape(header, path);
  const actions = file.names.includes("actions")
    ? await readActions(() => file.readList("actions"), shape.count, path)
    : {};
  const metadata = await file.readMetadata();
  const held = opened.move();
  return {
    frames: streamFrames(shape, () => file.stream(name), path),
    announced: shape,
    lossy: false,
    ...actions,
    metadata,
    warnings: [],
    [Symbol.dispose]: () => held.dispose(),
  };
}

/**
 * Opens a .npy of frames (T, H, W, 3), or of one picture (H, W, 3). Only the requested frames are
 * read.
 *
 * @throws {MediaError} when it is damaged or of another shape
 */
export async function openNpy(path: string): Promise<ArrayStream> {
  using opened = new DisposableStack();
  const file = opened.use(await NpyFile.open(path));
  const shape = videoShape(file.header, path);
  const held = opened.move();
  return {
    frames: lazyFrames(shape, (k) => file.read(k * shape.frameBytes, shape.frameBytes), path),
    announced: shape,
    lossy: false,
    warnings: [],
    [Symbol.dispose]: () => held.dispose(),
  };
}

/** `video`, or the only array: np.savez without names calls it `arr_0`. */
function videoName(names: string[]): string {
  const others = names.filter((name) => name !== "actions");
  return !names.includes("video") && others.length === 1 ? others[0]! : "video";
}

function videoShape({ type, shape, bytes }: NpyHeader, path: string): VideoShape {
  const sizes = shape.length === 3 ? [1, ...shape] : shape;
  const [count, height, width, channels] = sizes;
  const isFloat = type.startsWith("<f");
  if (sizes.length !== 4 || channels !== 3 || !height || !width || (!isFloat && type !== "|u1")) {
    throw new MediaError(
      `Cannot read "${path}": video must be (T, H, W, 3) of uint8 or float, ` +
        `but is (${shape.join(", ")}) of ${type}`,
    );
  }
  if (count! > MOST_FRAMES) {
    throw new TooMuchError(`Cannot read "${path}": ${count} frames are more than ${MOST_FRAMES}`);
  }
  const frameBytes = count ? bytes / count : 0;
  checkSize(width, height, frameBytes);
  return { count: count!, height, width, isFloat, frameBytes };
}

/** Some data sets have other things by this name, so it is an error only if actions are needed. */
async function readActions(
  read: () => Promise<NpyArray>,
  count: number,
  path: string,
): Promise<Pick<FrameStream, "actions" | "unusableActions">> {
  let array: NpyArray;
  try {
    array = await read();
  } catch (error) {
    if (!(error instanceof MediaError) || error instanceof TooMuchError) throw error;
    const why = error.message.replace(/^.*: actions": /s, "");
    return { unusableActions: `Cannot use the actions of "${path}": ${why}` };
  }
  const { type, shape, data } = array;
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

/** Frames of a file with random access. */
function* lazyFrames(
  shape: VideoShape,
  read: (index: number) => Promise<NpyData>,
  path: string,
): Generator<LazyFrame> {
  for (let index = 0; index < shape.count; index++) {
    yield { index, pixels: async () => frameOf(await read(index), shape, path, index) };
  }
}

/** Frames of a compressed array, which must be read one after the other. */
async function* streamFrames(
  shape: VideoShape,
  open: () => Promise<NpyStream>,
  path: string,
): AsyncGenerator<LazyFrame> {
  await using array = await open();
  try {
    for (let index = 0; index < shape.count; index++) {
      const data = await array.next(shape.frameBytes);
      yield { index, pixels: () => frameOf(data, shape, path, index) };
    }
  } finally {
    // The checksum covers all frames and comes after the last.
    if (array.header.bytes <= MOST_ARRAY_BYTES) await array.finish();
  }
}

function frameOf(
  data: NpyData,
  shape: VideoShape,
  path: string,
  index: number,
): RgbFrame | FloatFrame {
  if (shape.isFloat) return planarFloats(data as Float32Array, shape, path, index);
  return { width: shape.width, height: shape.height, data: data as Uint8Array };
}

/** (H, W, 3) to (3, H, W); values just outside [0, 1] are rounding errors and are clamped. */
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
