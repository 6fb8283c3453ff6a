import { named, openFile, readClip } from "./clip.ts";
import { fileType, readPicture } from "./file_type.ts";
import { imagesInFolder, imagesOfPattern, isFolder } from "./folder_reader.ts";
import type { VideoFacts } from "./frame_stream.ts";
import { isRgb } from "./frames.ts";
import { imageSize, isLossyImage, readPngText } from "./image_reader.ts";
import { readMetadata } from "./metadata.ts";
import { isNumbered } from "./numbered_names.ts";

/** Facts about a source of frames. */
export interface ClipFacts {
  readonly width: number;
  readonly height: number;
  readonly fps?: number;
  readonly lossy: boolean;
  /** Whether its frames are floats, not bytes. */
  readonly isFloat: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly video?: VideoFacts;
}

/**
 * Describes any source that `readClip` takes. Reads only headers, or one frame of a video; for a
 * folder of pictures, it describes the first one.
 *
 * @throws {MediaError} one line that names the source and says what is wrong
 */
export async function readClipFacts(source: string): Promise<ClipFacts> {
  if (await isNumbered(source)) return await pictureFacts((await imagesOfPattern(source))[0]!);
  if (await isFolder(source)) {
    const [first] = await imagesInFolder(source);
    return { ...await pictureFacts(first!), metadata: {} }; // which is that of one picture
  }
  const type = await fileType(source);
  switch (type) {
    case "video":
      return await videoFacts(source);
    case "png":
    case "jpeg":
    case "webp":
      return await pictureFacts(source);
    default:
      return await streamFacts(source, type);
  }
}

async function streamFacts(path: string, type: "npz" | "npy" | "gif" | "y4m"): Promise<ClipFacts> {
  const stream = await named(path, () => openFile(path, type));
  try {
    const { fps, lossy, announced } = stream;
    const { width, height, isFloat } = announced!;
    return { width, height, fps, lossy, isFloat, metadata: await readMetadata(path) };
  } finally {
    stream[Symbol.dispose]?.();
  }
}

async function pictureFacts(path: string): Promise<ClipFacts> {
  return await named(path, async () => {
    const { bytes, type } = await readPicture(path);
    const lossy = isLossyImage(bytes, type);
    const metadata = type === "png" ? readPngText(bytes) : {};
    return { ...imageSize(bytes, type), lossy, isFloat: false, metadata };
  });
}

async function videoFacts(path: string): Promise<ClipFacts> {
  const { width, height, fps, lossy, video, frames, metadata } = await readClip(path, { count: 1 });
  return {
    width,
    height,
    fps,
    lossy,
    video,
    isFloat: !isRgb(frames[0]!),
    metadata: metadata ?? {},
  };
}
