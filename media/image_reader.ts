import { decode as decodePng, type DecodedPng } from "fast-png";
import { MediaError, reasonOf, UnsupportedMediaError } from "./errors.ts";
import type { RgbFrame } from "./frames.ts";
import { DecodedFrame } from "./video_decoder.ts";
import { loadWebCodecs } from "./webcodecs.ts";

/** Formats of single pictures. */
export type ImageType = "png" | "jpeg" | "webp";

/** A picture of more is taken for an attack. */
const MOST_PIXELS = 2 ** 26;

/**
 * Decodes a PNG, JPEG or WebP to RGB; transparency is dropped.
 *
 * @throws {MediaError} without the file's name, when it is damaged or cannot be decoded here
 */
export async function decodeImage(bytes: Uint8Array, type: ImageType): Promise<RgbFrame> {
  if (type === "png") return decodePngPicture(bytes);
  const layout = type === "jpeg" ? jpegLayout(bytes) : webpLayout(bytes);
  if (layout === "other") {
    throw new UnsupportedMediaError("only JPEG with 4:2:0 chroma can be decoded; save it as PNG");
  }
  return await decodeWithAddon(bytes, `image/${type}`, layout === "argb");
}

/** Whether decoding a picture of this type gives other pixels than went in. */
export function isLossyImage(bytes: Uint8Array, type: ImageType): boolean {
  return type === "jpeg" || (type === "webp" && webpLayout(bytes) !== "argb");
}

/** Text chunks of a PNG by keyword. */
export function readPngText(bytes: Uint8Array): Record<string, string> {
  return { ...pngOf(bytes).text };
}

function pngOf(bytes: Uint8Array): DecodedPng {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33) throw new MediaError("it is cut off");
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (width * height > MOST_PIXELS) {
    throw new MediaError(`its size of ${width}x${height} is too large`);
  }
  try {
    return decodePng(bytes, { checkCrc: true });
  } catch (error) {
    throw new MediaError(`it is damaged: ${reasonOf(error)}`);
  }
}

function decodePngPicture(bytes: Uint8Array): RgbFrame {
  const { width, height, data, depth, channels, palette } = pngOf(bytes);
  const rgb = new Uint8Array(width * height * 3);
  const samples = depth < 8 ? unpackBits(data as Uint8Array, width, height, depth) : data;
  const most = 2 ** depth - 1;
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      if (palette) rgb[3 * i + c] = palette[samples[i]!]?.[c] ?? 0;
      else {rgb[3 * i + c] = Math.round(
          samples[i * channels + (channels > 2 ? c : 0)]! * 255 / most,
        );}
    }
  }
  return { width, height, data: rgb };
}

/** Samples of 1, 2 or 4 bits; rows begin at whole bytes. */
function unpackBits(data: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  const out = new Uint8Array(width * height);
  const stride = Math.ceil(width * depth / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * stride + (bit >> 3)]!;
      out[y * width + x] = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  }
  return out;
}

/** How the addon's answer is to be read; it calls every layout it does not know 4:2:0 or RGBA. */
type Layout = "4:2:0" | "argb" | "other";

/** Looks for three components, of which luma has twice the samples in both directions. */
function jpegLayout(bytes: Uint8Array): Layout {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1]!;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const sampling = [0, 1, 2].map((k) => bytes[at + 11 + 3 * k]);
      checkSize(bytes[at + 7]! << 8 | bytes[at + 8]!, bytes[at + 5]! << 8 | bytes[at + 6]!);
      return bytes[at + 9] === 3 && `${sampling}` === `${[0x22, 0x11, 0x11]}` ? "4:2:0" : "other";
    }
    at += 2 + (bytes[at + 2]! << 8 | bytes[at + 3]!);
  }
  throw new MediaError("it is damaged: no JPEG frame begins in it");
}

/** Looks at the first picture chunk: lossless pictures come out as A, R, G, B. */
function webpLayout(bytes: Uint8Array): Layout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length;) {
    const name = String.fromCharCode(...bytes.subarray(at, at + 4));
    if (name === "VP8L") return "argb";
    if (name === "VP8 ") return "4:2:0";
    if (name === "ANIM") {
      throw new UnsupportedMediaError("animated WebP cannot be decoded; save it as GIF");
    }
    const size = view.getUint32(at + 4, true);
    at += 8 + size + (size & 1);
  }
  throw new MediaError("it is damaged: there is no picture in it");
}

async function decodeWithAddon(
  bytes: Uint8Array,
  type: string,
  isArgb: boolean,
): Promise<RgbFrame> {
  const { ImageDecoder } = loadWebCodecs();
  // Its promises do not keep the program running.
  const alive = setInterval(() => {}, 1000);
  const decoder = new ImageDecoder({ data: bytes, type });
  try {
    const { image } = await decoder.decode();
    try {
      checkSize(image.codedWidth, image.codedHeight);
      return isArgb ? await fromArgb(image) : await new DecodedFrame(image, {}).toRgb();
    } finally {
      image.close();
    }
  } catch (error) {
    throw new MediaError(`it is damaged: ${reasonOf(error)}`);
  } finally {
    decoder.close();
    clearInterval(alive);
  }
}

async function fromArgb(image: DecodedFrame["frame"]): Promise<RgbFrame> {
  const { codedWidth: width, codedHeight: height } = image;
  const bytes = new Uint8Array(image.allocationSize());
  await image.copyTo(bytes);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set(bytes.subarray(4 * i + 1, 4 * i + 4), 3 * i);
  return { width, height, data };
}

function checkSize(width: number, height: number): void {
  if (width * height > MOST_PIXELS) {
    throw new MediaError(`its size of ${width}x${height} is too large`);
  }
}
