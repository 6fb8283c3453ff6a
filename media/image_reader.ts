import { viewOf } from "../files/bytes.ts";
import { checkSize } from "./budget.ts";
import { cropTo, evenJpeg, evenWebp, type WebpChunk } from "./even_picture.ts";
import { MediaError, reasonOf, UnsupportedMediaError } from "./errors.ts";
import { exifOrientation, orientationOf, turn, turnSize } from "./exif.ts";
import type { RgbFrame } from "./frames.ts";
import { parsePng, unpackPng } from "./png_reader.ts";
import { DecodedFrame } from "./video_decoder.ts";
import { loadWebCodecs } from "./webcodecs.ts";

/** Formats of single pictures. */
export type ImageType = "png" | "jpeg" | "webp";

/**
 * Decodes a PNG, JPEG or WebP to RGB, turned by its EXIF orientation; transparency is dropped.
 *
 * @throws {MediaError} without the file's name, when it is damaged or cannot be decoded here
 */
export async function decodeImage(bytes: Uint8Array, type: ImageType): Promise<RgbFrame> {
  if (type === "png") {
    const png = parsePng(bytes);
    return turn(unpackPng(png), png.exif ? orientationOf(png.exif) : 1);
  }
  const { kind, width, height, even } = type === "jpeg" ? jpegLayout(bytes) : webpLayout(bytes);
  if (kind === "other") {
    throw new UnsupportedMediaError(
      "only JPEG with 4:2:0 chroma can be decoded; convert it to PNG",
    );
  }
  const isOdd = (width & 1) === 1 || (height & 1) === 1;
  const whole = await decodeWithAddon(isOdd ? even() : bytes, `image/${type}`, kind === "argb");
  const picture = isOdd ? cropTo(whole, width, height) : whole;
  return turn(picture, imageOrientation(bytes, type));
}

/** EXIF orientation of a JPEG or WebP. */
export function imageOrientation(bytes: Uint8Array, type: ImageType): number {
  if (type === "jpeg") return exifOrientation(bytes);
  const exif = type === "webp"
    ? [...webpChunks(bytes)].find(({ name }) => name === "EXIF")
    : undefined;
  if (!exif) return 1;
  const hasPrefix = exif.data[0] === 0x45; // "Exif" and two zeros, which some writers include
  return orientationOf(hasPrefix ? exif.data.subarray(6) : exif.data);
}

/** Whether more pictures follow the decoded one. */
export function isAnimatedPng(bytes: Uint8Array): boolean {
  return parsePng(bytes).isAnimated;
}

/** Whether this picture format is lossy. */
export function isLossyImage(bytes: Uint8Array, type: ImageType): boolean {
  return type === "jpeg" || (type === "webp" && webpLayout(bytes).kind !== "argb");
}

/**
 * The displayed size of a picture, from its header.
 *
 * @throws {MediaError} without the file's name, when it is damaged or too large
 */
export function imageSize(bytes: Uint8Array, type: ImageType): { width: number; height: number } {
  if (type === "png") {
    const { header, exif } = parsePng(bytes);
    return turnSize(header, exif ? orientationOf(exif) : 1);
  }
  const size = type === "jpeg" ? jpegLayout(bytes) : webpLayout(bytes);
  return turnSize(size, imageOrientation(bytes, type));
}

/** Text chunks of a PNG by keyword. */
export function readPngText(bytes: Uint8Array): Record<string, string> {
  return { ...parsePng(bytes).text };
}

/** Layout of the addon's result, since it calls every layout it does not know 4:2:0 or RGBA. */
interface Layout {
  readonly kind: "4:2:0" | "argb" | "other";
  readonly width: number;
  readonly height: number;
  /** The same picture with even sides. */
  readonly even: () => Uint8Array;
}

/** @throws {MediaError} for pictures that are too large */
function checked(width: number, height: number) {
  checkSize(width, height);
  return { width, height };
}

/** Looks for three components, with luma at twice the resolution in both directions. */
function jpegLayout(bytes: Uint8Array): Layout {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1]!;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const sampling = [0, 1, 2].map((k) => bytes[at + 11 + 3 * k]);
      const isKnown = bytes[at + 9] === 3 && `${sampling}` === `${[0x22, 0x11, 0x11]}`;
      return {
        kind: isKnown ? "4:2:0" : "other",
        ...checked(bytes[at + 7]! << 8 | bytes[at + 8]!, bytes[at + 5]! << 8 | bytes[at + 6]!),
        even: () => evenJpeg(bytes, at + 5),
      };
    }
    at += 2 + (bytes[at + 2]! << 8 | bytes[at + 3]!);
  }
  throw new MediaError("it is damaged: it contains no JPEG frame");
}

/** Looks at the first picture chunk: lossless pictures come out as A, R, G, B. */
function webpLayout(bytes: Uint8Array): Layout {
  for (const { name, data } of webpChunks(bytes)) {
    if (name === "ANIM") {
      throw new UnsupportedMediaError("animated WebP cannot be decoded; convert it to GIF");
    }
    const view = viewOf(data);
    if (name === "VP8L" && data.length >= 5) {
      const bits = view.getUint32(1, true);
      const size = checked((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
      return { kind: "argb", ...size, even: () => bytes };
    }
    if (name === "VP8 " && data.length >= 10) {
      const size = checked(view.getUint16(6, true) & 0x3fff, view.getUint16(8, true) & 0x3fff);
      return { kind: "4:2:0", ...size, even: () => evenWebp(bytes, webpChunks(bytes)) };
    }
  }
  throw new MediaError("it is damaged: it contains no picture");
}

/** The complete chunks of a WebP. Source: RFC 9649 */
function* webpChunks(bytes: Uint8Array): Generator<WebpChunk & { data: Uint8Array }> {
  const view = viewOf(bytes);
  for (let at = 12; at + 8 <= bytes.length;) {
    const name = String.fromCharCode(...bytes.subarray(at, at + 4));
    const size = view.getUint32(at + 4, true);
    yield { name, at: at + 8, data: bytes.subarray(at + 8, at + 8 + size) };
    at += 8 + size + (size & 1);
  }
}

async function decodeWithAddon(
  bytes: Uint8Array,
  type: string,
  isArgb: boolean,
): Promise<RgbFrame> {
  const { ImageDecoder } = loadWebCodecs();
  // Its promises do not keep the event loop alive.
  const alive = setInterval(() => {}, 1000);
  const decoder = new ImageDecoder({ data: bytes, type });
  try {
    const { image } = await decoder.decode();
    try {
      checked(image.codedWidth, image.codedHeight);
      return isArgb ? await fromArgb(image) : await new DecodedFrame(image, {}).toRgb();
    } finally {
      image.close();
    }
  } catch (error) {
    if (error instanceof MediaError) throw error;
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
