import { extname } from "node:path";
import type { Size } from "../cli/option.ts";

/** Files that are made to be looked at. */
const VIEWED = [".mp4", ".mov", ".webm", ".mkv", ".gif"];
/** Pixels across or down that a video has at least, so that small models' can be seen. */
const VIEWING_SIDE = 256;

/**
 * How many times an output is enlarged: as `--scale` says, else until a video's longer side has 256
 * pixels. Arrays, pictures and streams keep the model's size.
 */
export function viewingScale(
  path: string,
  { width, height, scale }: Size & { readonly scale?: number },
): number {
  if (scale !== undefined) return scale;
  if (!VIEWED.includes(extname(path).toLowerCase())) return 1;
  return Math.ceil(VIEWING_SIDE / Math.max(width, height)) || 1;
}

/** Key of the size that the model made, in the metadata of enlarged pictures. */
export const SIZE_KEY = "far.size";

/** Metadata of pictures that are enlarged `scale` times: the size that the model made. */
export function sizeMetadata({ width, height }: Size, scale = 1): Record<string, string> {
  return scale > 1 ? { [SIZE_KEY]: `${width}x${height}` } : {};
}
