import { extname } from "node:path";
import { contactSheet, encodePng } from "../../app.ts";
import { fitFrame, type FloatFrame, readClip, type RgbFrame, toRgb } from "../../mod.ts";
import { readSource } from "../../request/sources.ts";

/** Pixels of one picture: its height, and the most across. */
const HEIGHT = 48;
const WIDEST = 96;
/** Pictures of a video: its first, middle and last frame. */
const PICTURES = 3;
const WHITE = 255;
/** Pictures kept while reading; a longer video is thinned. */
const MOST_KEPT = 64;
const MOST_TENSOR_BYTES = 256 << 20;

/**
 * The first, middle and last frame of a file side by side.
 * @param path a video, picture, `%d` pattern or array
 * @returns a PNG in base64; undefined if the file cannot be read
 */
export async function thumbnail(path: string): Promise<string | undefined> {
  const kept = new Thinned();
  try {
    if (extname(path).toLowerCase() === ".safetensors") await readTensors(path, kept);
    else await readClip(path, { each: (frame) => Promise.resolve(kept.add(frame)) });
  } catch {
    return undefined; // the picture is an extra: whether a file is whole is checked elsewhere
  }
  const pictures = firstMiddleLast(kept.pictures);
  if (pictures.length === 0) return undefined;
  return encodePng(contactSheet(pictures, undefined, WHITE)).toBase64();
}

/** The frames of the first video of a file of tensors, which is read as a whole. */
async function readTensors(path: string, kept: Thinned): Promise<void> {
  if ((await Deno.stat(path)).size > MOST_TENSOR_BYTES) return;
  const { frames, width, height, data } = await readSource(path);
  const size = 3 * width * height;
  for (let i = 0; i < frames; i++) {
    kept.add({ width, height, data: data.subarray(i * size, (i + 1) * size) });
  }
}

/** Small pictures of evenly spaced frames, and of the last. */
class Thinned {
  #kept: RgbFrame[] = [];
  #last: RgbFrame | FloatFrame | undefined;
  #every = 1;
  #seen = 0;

  add(frame: RgbFrame | FloatFrame): void {
    this.#last = frame;
    if (this.#seen++ % this.#every !== 0) return;
    this.#kept.push(small(frame));
    if (this.#kept.length < MOST_KEPT) return;
    this.#kept = this.#kept.filter((_, i) => i % 2 === 0);
    this.#every *= 2;
  }

  get pictures(): RgbFrame[] {
    const isKept = (this.#seen - 1) % this.#every === 0;
    return this.#last && !isKept ? [...this.#kept, small(this.#last)] : this.#kept;
  }
}

function small(frame: RgbFrame | FloatFrame): RgbFrame {
  const across = Math.round(HEIGHT * frame.width / frame.height);
  const fitted = fitFrame(frame, Math.max(1, Math.min(WIDEST, across)), HEIGHT);
  return toRgb(fitted);
}

function firstMiddleLast(pictures: readonly RgbFrame[]): RgbFrame[] {
  const count = Math.min(PICTURES, pictures.length);
  const step = count > 1 ? (pictures.length - 1) / (count - 1) : 0;
  return Array.from({ length: count }, (_, i) => pictures[Math.round(i * step)]!);
}
