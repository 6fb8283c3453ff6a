import { viewOf } from "../files/bytes.ts";
import type { RgbFrame } from "./frames.ts";

// The addon leaves out the last column and row of colour of a 4:2:0 picture whose sides are odd. Both
// formats code whole blocks of 16x16, so a header that says one column or row more gives them back.

/** A JPEG whose sides are even, `sizeAt` being where its frame header has height and width. */
export function evenJpeg(bytes: Uint8Array, sizeAt: number): Uint8Array {
  const even = bytes.slice();
  for (const at of [sizeAt, sizeAt + 2]) {
    const side = viewOf(even).getUint16(at);
    viewOf(even).setUint16(at, side + (side & 1));
  }
  return even;
}

/** A chunk of a WebP: its name, and where its content begins in the file. */
export interface WebpChunk {
  readonly name: string;
  readonly at: number;
}

/** A lossy WebP whose sides are even; its transparency, which is dropped anyway, is left out. */
export function evenWebp(bytes: Uint8Array, chunks: Iterable<WebpChunk>): Uint8Array {
  const even = bytes.slice();
  const view = viewOf(even);
  for (const { name, at } of chunks) {
    if (name === "ALPH") even.set(new TextEncoder().encode("NONE"), at - 8); // has the size, too
    else if (name === "VP8X") {
      even[at]! &= ~0x10; // no transparency
      even[at + 4]! |= 1; // sides less one, in 24 bits
      even[at + 7]! |= 1;
    } else if (name === "VP8 ") {
      for (const side of [at + 6, at + 8]) {
        const value = view.getUint16(side, true); // 14 bits, and two of scaling
        view.setUint16(side, value + (value & 1), true);
      }
    }
  }
  return even;
}

/** The upper left part of a picture. */
export function cropTo(frame: RgbFrame, width: number, height: number): RgbFrame {
  if (frame.width === width && frame.height === height) return frame;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = y * frame.width * 3;
    data.set(frame.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { width, height, data };
}
