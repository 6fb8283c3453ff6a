// Frames as a GIF to share. Plain JavaScript, so that far play can give it to its page as it is.
import gifenc from "gifenc";
import { writeGifFrame } from "../media/gif_frame.js";

/** Pixels that the shorter side of a picture has at least. */
const LEAST_SIDE = 256;

/**
 * A GIF that repeats, enlarged where its frames are small.
 * @param {readonly { width: number, height: number, data: Uint8Array | Uint8ClampedArray }[]} frames
 *   RGBA
 * @param {number} fps frames per second
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function savedGif(frames, fps) {
  const encoder = gifenc.GIFEncoder();
  for (const [i, frame] of frames.entries()) {
    const side = Math.min(frame.width, frame.height);
    writeGifFrame(encoder, enlarged(frame, Math.max(1, Math.ceil(LEAST_SIDE / side))), i, fps);
    await new Promise((resolve) => setTimeout(resolve)); // meanwhile keys and frames are served
  }
  encoder.finish();
  return new Uint8Array(encoder.bytes());
}

/** Each pixel as a square of so many. */
function enlarged({ width, height, data }, times) {
  const row = width * times;
  const pixels = new Uint32Array(row * height * times);
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  for (let i = 0; i < pixels.length; i++) {
    const [y, x] = [Math.floor(i / row), i % row];
    pixels[i] = from[Math.floor(y / times) * width + Math.floor(x / times)];
  }
  return { width: row, height: height * times, data: new Uint8Array(pixels.buffer) };
}
