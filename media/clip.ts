import { openNpy, openNpz } from "./array_reader.ts";
import { piecesAt } from "../files/byte_source.ts";
import { FileSource } from "../files/file_source.ts";
import { TooMuchError } from "./budget.ts";
import type { Matrix } from "./color.ts";
import {
  asMedia,
  asMediaPieces,
  MediaError,
  StuckMediaError,
  UnsupportedMediaError,
} from "./errors.ts";
import { turn } from "./exif.ts";
import type { PlanesToRgb } from "./ffmpeg_probe.ts";
import { adviseFfmpeg, openWithFfmpeg, readPlanesWithFfmpeg } from "./ffmpeg_reader.ts";
import { imagesInFolder, imagesOfPattern, isFolder } from "./folder_reader.ts";
import {
  type CollectedFrames,
  collectFrames,
  type CollectOptions,
  type FrameStream,
  type VideoFacts,
} from "./frame_stream.ts";
import type { RgbFrame } from "./frames.ts";
import { openGif } from "./gif_reader.ts";
import {
  decodeImage,
  imageOrientation,
  type ImageType,
  isAnimatedPng,
  isLossyImage,
} from "./image_reader.ts";
import { isNumbered } from "./numbered_names.ts";
import { type PickOptions, Picks, TooFewFramesError } from "./picks.ts";
import { openY4m } from "./y4m.ts";
import { type FileType, fileType, readBytes, readPicture } from "./file_type.ts";
import type { VideoStream } from "./video_reader.ts";

/** Which frames of a source to read, and how. */
export interface ClipOptions extends PickOptions, CollectOptions {
  /** Colour matrix of a .y4m (BT.601). */
  readonly matrix?: Matrix;
}

/** Frames of a source, with its metadata. */
export interface Clip extends CollectedFrames {
  /** Frames per second of the frames picked: the source's rate divided by the stride. */
  readonly fps?: number;
  /** The action that led to each frame picked. */
  readonly actions?: number[];
  /** Why the source's actions cannot be used, if it has any. */
  readonly unusableActions?: string;
  /** Whether compression has changed the pixels, so that measurements against it mislead. */
  readonly lossy: boolean;
  /** Warnings of one line each, for the user. */
  readonly warnings: string[];
  /** Text metadata of the file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Codec, frames and seconds of the whole video file, not only of the frames picked. */
  readonly video?: VideoFacts;
}

/**
 * Reads frames from a video (.mp4 .mov .webm .mkv), .y4m, .gif, .png .jpg .webp, a folder or `%d`
 * pattern of images, .npz, .npy, or `-` for .y4m on stdin. File types are recognised by content.
 *
 * @throws {MediaError} one line that names the source and says what is wrong
 */
export async function readClip(source: string, options: ClipOptions = {}): Promise<Clip> {
  const picks = new Picks(options);
  if (source === "-") {
    if (Deno.stdin.isTerminal()) {
      throw new MediaError("Cannot read a video from the terminal: pipe .y4m in, or name a file");
    }
    const stream = await named(
      "stdin",
      () => openY4m(Deno.stdin.readable, "stdin", options.matrix),
    );
    return await collect("stdin", stream, picks, options);
  }
  if (await isNumbered(source)) {
    return await collect(source, openImages(await imagesOfPattern(source)), picks, options);
  }
  if (await isFolder(source)) {
    return await collect(source, openImages(await imagesInFolder(source)), picks, options);
  }
  const type = await fileType(source);
  if (type === "video") return await readVideo(source, picks, options);
  const stream = await named(source, () => openFile(source, type, options));
  try {
    return await collect(source, stream, picks, options);
  } finally {
    stream[Symbol.dispose]?.();
  }
}

/** Opens a file that is not a video. @throws {MediaError} perhaps without the file's name */
export async function openFile(
  path: string,
  type: Exclude<FileType, "video">,
  options: ClipOptions = {},
): Promise<FrameStream & Partial<Disposable>> {
  switch (type) {
    case "npz":
      return await openNpz(path);
    case "npy":
      return await openNpy(path);
    case "gif":
      return openGif(await readBytes(path), path);
    case "y4m": {
      using opened = new DisposableStack();
      const file = opened.use(await asMedia(path, () => FileSource.open(path)));
      const pieces = asMediaPieces(path, piecesAt(file, 0, file.size));
      const stream = await openY4m(pieces, path, options.matrix);
      opened.move();
      return Object.assign(stream, { [Symbol.dispose]: () => file.close() });
    }
    default:
      return openImages([path]);
  }
}

/**
 * Native codecs first; ffmpeg for formats they do not support and for files too damaged for them.
 */
async function readVideo(path: string, picks: Picks, options: ClipOptions): Promise<Clip> {
  const failure = await tryNative(path, picks, options);
  if (!(failure instanceof MediaError)) return failure;
  if (failure instanceof CutColourError) return await readOdd(path, failure, picks, options);
  const stream = await openWithFfmpeg(path);
  if (!stream) throw failure instanceof UnsupportedMediaError ? adviseFfmpeg(failure) : failure;
  try {
    const clip = {
      ...await collect(path, stream, picks, options),
      metadata: await tagsIfSound(path),
    };
    if (!(failure instanceof TooFewFramesError)) return clip;
    return { ...clip, warnings: [`"${path}" is cut off: only its beginning can be read`] };
  } catch (error) {
    // If ffmpeg cannot read it either, the first error is the clearer one.
    const isKnown = error instanceof TooMuchError ||
      (error instanceof TooFewFramesError && failure instanceof UnsupportedMediaError);
    throw isKnown ? error : failure;
  }
}

/** A video whose frames have odd sides, of which the native codecs lose the last colours. */
class CutColourError extends UnsupportedMediaError {
  constructor(message: string, readonly cut: PlanesToRgb, readonly facts: FrameStream) {
    super(message);
  }
}

/** Reads a video of odd sides with ffmpeg, or else natively with its last colours guessed. */
async function readOdd(
  path: string,
  { cut, facts }: CutColourError,
  picks: Picks,
  options: ClipOptions,
): Promise<Clip> {
  const warnings = [...facts.warnings];
  const frames = await readPlanesWithFfmpeg(path, cut, warnings);
  try {
    if (frames) return await collect(path, { ...facts, frames, warnings }, picks, options);
  } catch (error) {
    if (!(error instanceof MediaError) || error instanceof TooMuchError) throw error;
  }
  const clip = await tryNative(path, picks, options, true);
  if (clip instanceof MediaError) throw clip;
  return clip;
}

/** The library that reads videos is large: it is loaded when a video is read. */
const videoReader = () => import("./video_reader.ts");

/** The tags of a file that may be damaged. */
async function tagsIfSound(path: string): Promise<Readonly<Record<string, string>>> {
  try {
    return (await videoReader()).readVideoTags(path);
  } catch {
    return {};
  }
}

/** Returns the error if ffmpeg may do better. */
async function tryNative(
  path: string,
  picks: Picks,
  options: ClipOptions,
  guessColour = false,
): Promise<Clip | MediaError> {
  const { openVideo } = await videoReader();
  let isCutOff = false;
  let opened: VideoStream | undefined;
  try {
    using stream = await named(path, () => openVideo(path, picks, guessColour));
    opened = stream;
    isCutOff = stream.isCutOff;
    return await collect(path, stream, picks, options);
  } catch (error) {
    const isFinal = error instanceof TooMuchError || error instanceof StuckMediaError;
    if (!(error instanceof MediaError) || isFinal) throw error;
    if (opened?.cutColour) return new CutColourError(error.message, opened.cutColour, opened);
    if (!(error instanceof TooFewFramesError)) return error;
    if (!isCutOff) throw error; // Then ffmpeg will not find more frames in it either.
    return new TooFewFramesError(`${error.message}; it is cut off`);
  }
}

function openImages(paths: readonly string[]): FrameStream {
  let lossy = false;
  const warnings: string[] = [];
  const read = async (path: string) => {
    const { bytes, type } = await readPicture(path);
    lossy ||= isLossyImage(bytes, type);
    if (type === "png" && isAnimatedPng(bytes)) {
      warnings.push(
        `"${path}" is an animation: only its first picture is read; convert it to GIF to read all`,
      );
    }
    return await decodeOrAsk(path, bytes, type);
  };
  return {
    frames: paths.map((path, index) => ({ index, pixels: () => named(path, () => read(path)) })),
    get lossy() {
      return lossy;
    },
    warnings,
  };
}

/** The native decoder, or ffmpeg for pixel layouts that it cannot return. */
async function decodeOrAsk(path: string, bytes: Uint8Array, type: ImageType): Promise<RgbFrame> {
  try {
    return await decodeImage(bytes, type);
  } catch (error) {
    const mayDoBetter = error instanceof MediaError && !(error instanceof TooMuchError);
    const stream = mayDoBetter && type !== "png" && await openWithFfmpeg(path, `${type}_pipe`);
    if (!stream) throw error instanceof UnsupportedMediaError ? adviseFfmpeg(error) : error;
    try {
      const { frames } = await collectFrames(path, stream, new Picks({ count: 1 }));
      return turn(frames[0] as RgbFrame, imageOrientation(bytes, type));
    } catch {
      throw error;
    }
  }
}

async function collect(
  path: string,
  stream: FrameStream,
  picks: Picks,
  options: ClipOptions,
): Promise<Clip> {
  const collected = await named(path, () => collectFrames(path, stream, picks, options));
  const { fps, lossy, actions, unusableActions, metadata, warnings, video } = stream;
  return {
    ...collected,
    fps: fps && fps / picks.stride,
    actions: actions && picks.indices(actions.length).map((index) => actions[index]!),
    unusableActions,
    lossy,
    warnings,
    metadata,
    video,
  };
}

/** Errors whose kind says what to do next. */
const NAMED_KINDS = [UnsupportedMediaError, TooMuchError, StuckMediaError];

/** @internal Puts the name of the source before errors of those who only know its bytes. */
export async function named<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof MediaError) || error.message.startsWith("Cannot ")) throw error;
    const Kind = NAMED_KINDS.find((kind) => error instanceof kind) ?? MediaError;
    throw new Kind(`Cannot read "${path}": ${error.message}`);
  }
}
