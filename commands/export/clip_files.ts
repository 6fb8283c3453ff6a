import { Buffer } from "node:buffer";
import { join } from "node:path";
import {
  type ModelInfo,
  type RgbFrame,
  type SafetensorsEntry,
  toRgb,
  writeSafetensors,
} from "../../mod.ts";
import type { Size } from "../../cli/option.ts";
import type { ClipFile } from "../../player/world_file.ts";
import type { Source } from "../../request/sources.ts";
import type { StartClips } from "../play/clips.ts";
import { pictureUrl } from "../play/thumbnails.ts";
import { ownActions } from "../play/world.ts";

/** Writes the start clips of a world, each as a safetensors file with `frames` and `actions`. */
export async function writeClips(
  clips: StartClips,
  to: string,
  size: Size,
  info: ModelInfo,
): Promise<ClipFile[]> {
  const files: ClipFile[] = [];
  for (const name of clips.names) {
    const source = await clips.read(name);
    if (!source) continue; // the start from noise has no file
    const path = `clip-${files.length}.safetensors`;
    const frames = framesOf(source, size);
    const parts: Uint8Array[] = [];
    const write = (bytes: Uint8Array) => {
      parts.push(bytes.slice());
      return Promise.resolve();
    };
    await writeSafetensors({ write }, entries(frames, size, await ownActions(source, info)));
    const bytes = Buffer.concat(parts);
    await Deno.writeFile(join(to, path), bytes);
    files.push({ name, path, bytes: bytes.length, picture: pictureUrl(frames.at(-1)!) });
  }
  return files;
}

function framesOf({ data, frames }: Source, size: Size): RgbFrame[] {
  const floats = 3 * size.width * size.height;
  return Array.from(
    { length: frames },
    (_, i) => toRgb({ ...size, data: data.subarray(i * floats, (i + 1) * floats) }),
  );
}

function entries(
  frames: readonly RgbFrame[],
  { width, height }: Size,
  actions: readonly number[] | undefined,
): SafetensorsEntry[] {
  const pixels = {
    name: "frames",
    dtype: "U8",
    shape: [frames.length, height, width, 3],
    data: Buffer.concat(frames.map(({ data }) => data)),
  } as const;
  const own = actions?.slice(0, frames.length);
  if (!own || own.length < frames.length) return [pixels];
  const data = new Uint8Array(Int32Array.from(own).buffer);
  return [pixels, { name: "actions", dtype: "I32", shape: [own.length], data }];
}
