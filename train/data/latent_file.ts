import { CheckpointError, quote } from "../../files/errors.ts";
import { toFloats } from "../../weights/floats.ts";
import { readIntegers, SafetensorsFile, type TensorInfo } from "../../weights/safetensors.ts";
import type { LatentClip, LatentSizes } from "./data_set.ts";

/** Clips in one file, and the sizes of their latents. */
export interface LatentFile {
  readonly sizes: LatentSizes;
  readonly clips: readonly LatentClip[];
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Opens a .safetensors of `latents` (N, F, C, h, w) or (F, C, h, w), unscaled as in `far encode`,
 * with `actions` (N, F) or `labels` (N). Windows are read on demand.
 * @throws {CheckpointError} no such file, or tensors of other shapes
 */
export async function openLatentFile(path: string): Promise<LatentFile> {
  using file = await SafetensorsFile.open(path);
  const info = file.tensors.get("latents");
  const shape = info?.shape.length === 4 ? [1, ...info.shape] : info?.shape ?? [];
  const [videos, frames, channels, height, width] = shape as [number, ...number[]];
  if (!info || shape.length !== 5) bad(path, `"latents" must be [videos, frames, C, h, w]`, info);
  const classes = await readClasses(file, videos!, frames!);
  const clips = Array.from({ length: videos! }, (_, video): LatentClip => ({
    path: videos! > 1 ? `${path} (video ${video})` : path,
    frames: frames!,
    ...(classes && { classes: classes[video]! }),
    read: (start, count, stride) =>
      readWindow(path, info, { first: video * frames! + start, count, stride }),
  }));
  const sizes = { channels: channels!, height: height!, width: width! };
  return { sizes, clips, metadata: file.metadata };
}

async function readClasses(
  file: SafetensorsFile,
  videos: number,
  frames: number,
): Promise<Int32Array[] | undefined> {
  const name = ["actions", "action", "labels", "label"].find((name) => file.tensors.has(name));
  if (name === undefined) return undefined;
  const { shape } = file.tensors.get(name)!;
  const perFrame = name.startsWith("action");
  const each = perFrame ? frames : 1;
  const fits = shape.at(-1) === (perFrame ? frames : videos) &&
    shape.reduce((a, b) => a * b, 1) === videos * each;
  if (!fits) {
    const wanted = perFrame ? `[${videos}, ${frames}]` : `[${videos}]`;
    bad(file.path, `"${name}" must be ${wanted}`, file.tensors.get(name));
  }
  const values = Int32Array.from(await readIntegers(file, name));
  return Array.from({ length: videos }, (_, v) => values.slice(v * each, (v + 1) * each));
}

async function readWindow(
  path: string,
  info: TensorInfo,
  { first, count, stride }: { first: number; count: number; stride: number },
): Promise<Float32Array> {
  using file = await SafetensorsFile.open(path);
  const volume = info.shape.slice(-3).reduce((a, b) => a * b, 1);
  const bytes = info.bytes / info.shape.reduce((a, b) => a * b, 1) * volume;
  const span = (count - 1) * stride + 1;
  const raw = await file.readRange(info, first * bytes, span * bytes);
  const all = toFloats(raw, info.dtype, info.name);
  if (stride === 1) return all;
  const picked = new Float32Array(count * volume);
  for (let i = 0; i < count; i++) {
    const at = i * stride * volume;
    picked.set(all.subarray(at, at + volume), i * volume);
  }
  return picked;
}

function bad(path: string, why: string, info: TensorInfo | undefined): never {
  const found = info ? `but is [${info.shape.join(", ")}]` : "but it is missing";
  throw new CheckpointError(`Cannot train on ${quote(path)}: ${why}, ${found}`, {
    file: path,
    reason: "WrongDtype",
  });
}
