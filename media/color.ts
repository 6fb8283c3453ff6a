import { MediaError } from "./errors.ts";
import { checkFrame, type RgbFrame } from "./frames.ts";

/** The matrix between RGB and luma and chroma. */
export type Matrix = "bt601" | "bt709" | "bt2020";

/** A colour matrix with its value range: limited (16..235 of 255) or full. */
export interface YuvColour {
  readonly matrix: Matrix;
  readonly fullRange: boolean;
}

/** One plane of samples: `data[offset + y * stride + x * step]`. */
export interface Plane {
  readonly data: Uint8Array | Uint16Array;
  readonly offset: number;
  readonly stride: number;
  readonly step: number;
}

/** A decoded picture in planes. Without `u` and `v` it is grey. */
export interface YuvPicture {
  readonly width: number;
  readonly height: number;
  /** Bits per sample, 8 to 16. */
  readonly bits: number;
  /** log2 of how many luma columns and rows share a chroma sample: 1, 1 in 4:2:0. */
  readonly chromaShiftX: number;
  readonly chromaShiftY: number;
  /** Columns and rows of chroma, if fewer than needed to cover the picture. */
  readonly chromaColumns?: number;
  readonly chromaRows?: number;
  readonly y: Plane;
  readonly u?: Plane;
  readonly v?: Plane;
}

/** Source: ITU-R BT.601-7, BT.709-6, BT.2020-2 (weights of red and blue in luma). */
const LUMA_WEIGHTS: Record<Matrix, readonly [red: number, blue: number]> = {
  bt601: [0.299, 0.114],
  bt709: [0.2126, 0.0722],
  bt2020: [0.2627, 0.0593],
};

/** Fixed-point fraction bits: sums of three products of 8 bits stay inside 32. */
const FRACTION = 16;
const ONE = 1 << FRACTION;
const HALF = ONE >> 1;

/** Bytes of an I420 picture; chroma sizes are rounded up when a size is odd. */
export function i420Bytes(width: number, height: number): number {
  return width * height + 2 * ((width + 1) >> 1) * ((height + 1) >> 1);
}

/**
 * Converts RGB to I420: planes Y [H, W], U and V [ceil(H/2), ceil(W/2)] one after the other. A
 * chroma sample is the mean of the (up to) four pixels it covers.
 */
export function rgbToI420(frame: RgbFrame, colour: YuvColour): Uint8Array {
  checkFrame(frame);
  const { width, height, data } = frame;
  const chromaWidth = (width + 1) >> 1;
  const chromaHeight = (height + 1) >> 1;
  const luma = width * height;
  const out = new Uint8Array(i420Bytes(width, height));
  const { y, u, v, black } = forwardWeights(colour);
  for (let i = 0; i < luma; i++) {
    out[i] = ((y[0] * data[3 * i]! + y[1] * data[3 * i + 1]! + y[2] * data[3 * i + 2]! + HALF) >>
      FRACTION) + black;
  }
  for (let row = 0; row < chromaHeight; row++) {
    const above = 2 * row * width;
    const below = 2 * row + 1 < height ? above + width : above;
    for (let column = 0; column < chromaWidth; column++) {
      const left = 2 * column;
      const right = left + 1 < width ? left + 1 : left;
      const a = 3 * (above + left), b = 3 * (above + right);
      const c = 3 * (below + left), d = 3 * (below + right);
      const red = (data[a]! + data[b]! + data[c]! + data[d]!) / 4;
      const green = (data[a + 1]! + data[b + 1]! + data[c + 1]! + data[d + 1]!) / 4;
      const blue = (data[a + 2]! + data[b + 2]! + data[c + 2]! + data[d + 2]!) / 4;
      const at = luma + row * chromaWidth + column;
      out[at] = chromaByte(u, red, green, blue);
      out[at + chromaWidth * chromaHeight] = chromaByte(v, red, green, blue);
    }
  }
  return out;
}

/** Converts RGB to three full planes Y, U and V, [H, W] each. */
export function rgbToI444(frame: RgbFrame, colour: YuvColour): Uint8Array {
  checkFrame(frame);
  const pixels = frame.width * frame.height;
  const out = new Uint8Array(pixels * 3);
  const { y, u, v, black } = forwardWeights(colour);
  for (let i = 0; i < pixels; i++) {
    const red = frame.data[3 * i]!;
    const green = frame.data[3 * i + 1]!;
    const blue = frame.data[3 * i + 2]!;
    out[i] = ((y[0] * red + y[1] * green + y[2] * blue + HALF) >> FRACTION) + black;
    out[pixels + i] = chromaByte(u, red, green, blue);
    out[2 * pixels + i] = chromaByte(v, red, green, blue);
  }
  return out;
}

/**
 * Converts planes to RGB. Each pixel takes the chroma sample that covers it, unfiltered, as
 * libswscale does with `full_chroma_inp+neighbor`, to within one level of it.
 *
 * @throws {MediaError} for fewer than 8 or more than 16 bits per sample
 */
export function yuvToRgb(picture: YuvPicture, colour: YuvColour): RgbFrame {
  const { width, height, bits, chromaShiftX, chromaShiftY, y, u, v } = picture;
  if (bits < 8 || bits > 16) throw new MediaError(`Cannot convert samples of ${bits} bits to RGB`);
  const tables = inverseTables(colour, bits);
  const lastColumn = (picture.chromaColumns ?? width) - 1;
  const lastRow = (picture.chromaRows ?? height) - 1;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const lumaRow = y.offset + row * y.stride;
    const chromaRow = Math.min(row >> chromaShiftY, lastRow);
    const uRow = u ? u.offset + chromaRow * u.stride : 0;
    const vRow = v ? v.offset + chromaRow * v.stride : 0;
    for (let column = 0; column < width; column++) {
      const luma = tables.y[y.data[lumaRow + column * y.step]!]!;
      const at = 3 * (row * width + column);
      if (!u || !v) {
        data[at] = data[at + 1] = data[at + 2] = clampByte(luma);
        continue;
      }
      const chromaColumn = Math.min(column >> chromaShiftX, lastColumn);
      const blue = u.data[uRow + chromaColumn * u.step]!;
      const red = v.data[vRow + chromaColumn * v.step]!;
      data[at] = clampByte(luma + tables.redOfV[red]!);
      data[at + 1] = clampByte(luma + tables.greenOfU[blue]! + tables.greenOfV[red]!);
      data[at + 2] = clampByte(luma + tables.blueOfU[blue]!);
    }
  }
  return { width, height, data };
}

/** Grows a picture to even sizes by repeating its last column and row, as 4:2:0 codecs need. */
export function padToEven(frame: RgbFrame): RgbFrame {
  const width = frame.width + (frame.width & 1);
  const height = frame.height + (frame.height & 1);
  if (width === frame.width && height === frame.height) return frame;
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = Math.min(row, frame.height - 1) * frame.width * 3;
    const to = row * width * 3;
    data.set(frame.data.subarray(from, from + frame.width * 3), to);
    if (width > frame.width) {
      data.copyWithin(to + frame.width * 3, to + frame.width * 3 - 3, to + frame.width * 3);
    }
  }
  return { width, height, data };
}

type Weights = readonly [red: number, green: number, blue: number];

/** Fixed-point rows of the RGB -> YUV matrix. */
function forwardWeights({ matrix, fullRange }: YuvColour) {
  const [red, blue] = LUMA_WEIGHTS[matrix];
  const green = 1 - red - blue;
  const lumaScale = (fullRange ? 1 : 219 / 255) * ONE;
  const chromaScale = (fullRange ? 1 : 224 / 255) * ONE;
  const row = (r: number, g: number, b: number): Weights => [
    Math.round(r),
    Math.round(g),
    Math.round(b),
  ];
  const u = chromaScale / (2 * (1 - blue));
  const v = chromaScale / (2 * (1 - red));
  return {
    y: row(red * lumaScale, green * lumaScale, blue * lumaScale),
    u: row(-red * u, -green * u, (1 - blue) * u),
    v: row((1 - red) * v, -green * v, -blue * v),
    black: fullRange ? 0 : 16,
  };
}

function chromaByte(weights: Weights, red: number, green: number, blue: number): number {
  const value = weights[0] * red + weights[1] * green + weights[2] * blue;
  return Math.min(255, Math.floor((value + HALF) / ONE) + 128);
}

/** What each sample value adds to R, G and B, in fixed point; one entry per possible value. */
function inverseTables({ matrix, fullRange }: YuvColour, bits: number) {
  const [red, blue] = LUMA_WEIGHTS[matrix];
  const green = 1 - red - blue;
  const values = 1 << bits;
  const unit = 1 << (bits - 8);
  const black = fullRange ? 0 : 16 * unit;
  const lumaScale = 255 / (fullRange ? values - 1 : 219 * unit);
  const chromaScale = 255 / (fullRange ? values - 1 : 224 * unit);
  const table = (zero: number, scale: number) =>
    Int32Array.from({ length: values }, (_, i) => Math.round((i - zero) * scale * ONE));
  return {
    y: table(black, lumaScale),
    redOfV: table(128 * unit, 2 * (1 - red) * chromaScale),
    greenOfU: table(128 * unit, -2 * blue * (1 - blue) / green * chromaScale),
    greenOfV: table(128 * unit, -2 * red * (1 - red) / green * chromaScale),
    blueOfU: table(128 * unit, 2 * (1 - blue) * chromaScale),
  };
}

function clampByte(fixed: number): number {
  const value = (fixed + HALF) >> FRACTION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
