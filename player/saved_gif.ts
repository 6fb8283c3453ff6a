import { enlarge, type RgbFrame } from "../media/frames.ts";
import { GifWriter } from "../media/gif_writer.ts";

/** Pixels that the shorter side of a picture to share has at least. */
const LEAST_SIDE = 256;

/** Frames as a GIF that repeats, enlarged where they are small: made to be shared. */
export async function savedGif(
  frames: readonly RgbFrame[],
  fps: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const sink = {
    path: "memory",
    size: 0,
    write(bytes: Uint8Array) {
      parts.push(bytes.slice());
      return Promise.resolve();
    },
    writeAt: () => Promise.reject(new TypeError("A GIF is written from its start to its end")),
    commit: () => Promise.resolve(),
    discard: () => Promise.resolve(),
  };
  const writer = new GifWriter(sink, { fps });
  for (const frame of frames) {
    const side = Math.min(frame.width, frame.height);
    await writer.write(enlarge(frame, Math.max(1, Math.ceil(LEAST_SIDE / side))));
  }
  await writer.close();
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
