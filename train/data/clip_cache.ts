import { createHash } from "node:crypto";
import { join } from "node:path";
import { isFile } from "../../files/file_source.ts";
import { makeFolder } from "../../files/folders.ts";
import { hashRest, sha256 } from "../../files/hash_file.ts";
import { MediaError, reasonOf } from "../../media/errors.ts";
import { type Clip, readClip } from "../../media/clip.ts";
import { imagesInFolder, imagesOfPattern } from "../../media/folder_reader.ts";
import { isNumbered } from "../../media/numbered_names.ts";
import { toFloat } from "../../media/frames.ts";
import type { ResizeMethod } from "../../media/resize.ts";
import { writeFloats } from "../../weights/safetensors.ts";
import { type LatentFile, openLatentFile } from "./latent_file.ts";

/** The autoencoder's encoder. */
export interface ClipEncoder {
  /** Pixels per latent, along each axis. */
  readonly compression: number;
  /** Latent channels. */
  readonly channels: number;
  /** Identifies its weights, so that latents of others are not reused. */
  readonly identity: string;
  /** [n, 3, height, width] in [0, 1] to [n, C, h, w], unscaled. */
  encode(pictures: Float32Array, width: number, height: number): Promise<Float32Array>;
}

/** How pictures are brought to the model's size. */
export interface PictureOptions {
  readonly width: number;
  readonly height: number;
  readonly resize: ResizeMethod;
  /** Whether to mirror them left to right. */
  readonly flip: boolean;
}

/** Frames on the device at once. */
const BATCH = 16;

/**
 * Path of a clip's latents, by its content, the autoencoder and the pictures' size.
 * @throws {MediaError} the clip cannot be read
 */
export async function cachePath(
  folder: string,
  clip: string,
  encoder: Pick<ClipEncoder, "identity">,
  pictures: PictureOptions,
): Promise<string> {
  const { width, height, resize, flip } = pictures;
  const key = [await contentHash(clip), encoder.identity, width, height, resize, flip].join();
  return join(folder, `${sha256(key).slice(0, 32)}.safetensors`);
}

/** sha256 of a file, or of the pictures of a folder or pattern in their order. */
export async function contentHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of await filesOf(path)) {
    try {
      using source = await Deno.open(file);
      await hashRest(source, hash);
    } catch (error) {
      throw new MediaError(`Cannot read "${path}": ${reasonOf(error)}`);
    }
  }
  return hash.digest("hex");
}

async function filesOf(path: string): Promise<string[]> {
  if (await isNumbered(path)) return await imagesOfPattern(path);
  const stat = await Deno.stat(path).catch(() => undefined);
  return stat?.isDirectory ? await imagesInFolder(path) : [path];
}

/** The cached latents of a clip, if any. */
export async function openCached(path: string): Promise<LatentFile | undefined> {
  return await isFile(path) ? await openLatentFile(path) : undefined;
}

/** Encodes a whole clip into its place in the cache. */
export async function encodeToCache(
  path: string,
  clip: Clip,
  encoder: ClipEncoder,
  flip: boolean,
): Promise<void> {
  const latents = await encodeFrames(clip, encoder, flip);
  const { compression, channels } = encoder;
  const shape = [clip.frames.length, channels, clip.height / compression, clip.width / compression];
  const metadata = Object.fromEntries(
    Object.entries({
      actions: clip.actions && JSON.stringify(clip.actions),
      "far.actions": clip.metadata?.["far.actions"],
      "far.settings": clip.metadata?.["far.settings"],
      fps: clip.fps === undefined ? undefined : String(clip.fps),
    }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  await makeFolder(join(path, ".."));
  await writeFloats(path, new Map([["latents", latents]]), () => shape, metadata);
}

/** Encodes frames, a few at a time. @returns [n, C, h, w] */
export async function encodeFrames(
  { frames, width, height }: Pick<Clip, "frames" | "width" | "height">,
  encoder: ClipEncoder,
  flip: boolean,
): Promise<Float32Array> {
  const { compression, channels } = encoder;
  const volume = channels * (height / compression) * (width / compression);
  const size = 3 * width * height;
  const latents = new Float32Array(frames.length * volume);
  for (let at = 0; at < frames.length; at += BATCH) {
    const part = frames.slice(at, at + BATCH);
    const pictures = new Float32Array(part.length * size);
    for (const [i, frame] of part.entries()) {
      pictures.set(toFloat(frame).data, i * size);
    }
    if (flip) mirror(pictures, width);
    latents.set(await encoder.encode(pictures, width, height), at * volume);
  }
  return latents;
}

/** Reverses rows, in place. */
export function mirror(pictures: Float32Array, width: number): void {
  for (let row = 0; row < pictures.length; row += width) {
    pictures.subarray(row, row + width).reverse();
  }
}

/** Reads frames of a clip at the model's size. @throws {MediaError} */
export async function readPictures(
  path: string,
  { width, height, resize }: Omit<PictureOptions, "flip">,
  pick: { start?: number; count?: number; stride?: number } = {},
): Promise<Clip> {
  return await readClip(path, { size: { width, height }, resize, ...pick });
}
