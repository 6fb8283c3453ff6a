import { toFloat } from "../../media/frames.ts";
import { type ClipEncoder, mirror, type PictureOptions, readPictures } from "./clip_cache.ts";
import type { LatentClip } from "./data_set.ts";

/** Replaces an encoder when training on the pictures themselves. */
export const PICTURES: ClipEncoder = {
  compression: 1,
  channels: 3,
  identity: "pictures",
  encode: (pictures) => Promise.resolve(pictures),
};

/** A clip whose pictures are kept in memory as bytes, once `encode` has read them. */
export function rememberedClip(
  path: string,
  frames: number,
  pictures: PictureOptions,
): { clip: LatentClip; encode: () => Promise<void> } {
  const size = 3 * pictures.width * pictures.height;
  let kept: Uint8Array | undefined;
  const encode = async () => {
    kept ??= await readBytes(path, frames, pictures);
  };
  const read: LatentClip["read"] = async (start, count, stride) => {
    await encode();
    const values = new Float32Array(count * size);
    for (let i = 0; i < count; i++) {
      const from = (start + i * stride) * size;
      for (let j = 0; j < size; j++) values[i * size + j] = kept![from + j]! / 255;
    }
    return values;
  };
  return { clip: { path, frames, read }, encode };
}

/** All frames, planar [frames, 3, height, width], in bytes. */
async function readBytes(
  path: string,
  frames: number,
  { flip, ...pictures }: PictureOptions,
): Promise<Uint8Array> {
  const clip = await readPictures(path, pictures);
  const size = 3 * pictures.width * pictures.height;
  const bytes = new Uint8Array(frames * size);
  for (const [i, frame] of clip.frames.entries()) {
    const planar = toFloat(frame);
    if (flip) mirror(planar.data, pictures.width);
    for (let j = 0; j < size; j++) bytes[i * size + j] = Math.round(255 * planar.data[j]!);
  }
  return bytes;
}
