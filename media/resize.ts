import { checkFrame, type FloatFrame, isRgb, type RgbFrame } from "./frames.ts";

/** A rectangle of whole pixels inside a picture. */
export interface Crop {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Method of resizing: see `fitFrame`. */
export type ResizeMethod = "area" | "bilinear";

/** For each output position: the first input position that counts, and the weights from there on. */
interface Taps {
  readonly first: Int32Array;
  readonly weights: Float32Array[];
}

/** The largest centred rectangle of `width:height` proportions, in whole pixels. */
export function centreCrop(
  from: { readonly width: number; readonly height: number },
  width: number,
  height: number,
): Crop {
  const wide = from.width * height > from.height * width;
  const cropWidth = wide ? atLeastOne(from.height * width / height) : from.width;
  const cropHeight = wide ? from.height : atLeastOne(from.width * height / width);
  return {
    left: Math.round((from.width - cropWidth) / 2),
    top: Math.round((from.height - cropHeight) / 2),
    width: cropWidth,
    height: cropHeight,
  };
}

/**
 * Centre-crops a picture to the proportions of `width` x `height` and resizes it to that size. Each
 * axis that shrinks is averaged over the exact area of every new pixel; each that grows is
 * interpolated linearly between pixel centres. A picture of the right size is returned unchanged.
 *
 * @param method "bilinear" works like torchvision's Resize and CenterCrop (antialiased), and so
 *   like FAR's loader of UCF-101: it resizes first and then crops, up to half a new pixel off the
 *   middle of "area"
 * @throws {RangeError} if a size is not a whole number of at least 1
 */
export function fitFrame<F extends RgbFrame | FloatFrame>(
  frame: F,
  width: number,
  height: number,
  method?: ResizeMethod,
): F;
export function fitFrame(
  frame: RgbFrame | FloatFrame,
  width: number,
  height: number,
  method: ResizeMethod = "area",
): RgbFrame | FloatFrame {
  checkFrame(frame);
  for (const size of [width, height]) {
    if (!Number.isInteger(size) || size < 1) {
      throw new RangeError(
        `Cannot resize a picture to ${width}x${height}: sizes must be 1 or more`,
      );
    }
  }
  if (frame.width === width && frame.height === height) return frame;
  const [across, down] = method === "area"
    ? croppedTaps(frame, width, height)
    : bilinearTaps(frame, width, height);
  if (isRgb(frame)) {
    const values = resample(frame.data, frame.width * 3, 3, across, down);
    const data = new Uint8Array(values.length);
    for (let i = 0; i < values.length; i++) data[i] = values[i]! + 0.5;
    return { width, height, data };
  }
  const data = new Float32Array(3 * width * height);
  const plane = frame.width * frame.height;
  for (let channel = 0; channel < 3; channel++) {
    const source = frame.data.subarray(channel * plane, (channel + 1) * plane);
    data.set(resample(source, frame.width, 1, across, down), channel * width * height);
  }
  return { width, height, data };
}

function croppedTaps(from: RgbFrame | FloatFrame, width: number, height: number): [Taps, Taps] {
  const crop = centreCrop(from, width, height);
  return [taps(crop.left, crop.width, width), taps(crop.top, crop.height, height)];
}

/** Source: torchvision, `Resize(side, antialias=True)` and `CenterCrop(side)`. */
function bilinearTaps(from: RgbFrame | FloatFrame, width: number, height: number): [Taps, Taps] {
  const wide = from.width * height > from.height * width;
  const across = wide ? Math.trunc(height * from.width / from.height) : width;
  const down = wide ? height : Math.trunc(width * from.height / from.width);
  return [triangleTaps(from.width, across, width), triangleTaps(from.height, down, height)];
}

/** The middle `length` of the `resized` pixels that `size` become; a triangle weighs each. */
function triangleTaps(size: number, resized: number, length: number): Taps {
  const scale = size / resized;
  const reach = Math.max(1, scale);
  const before = roundHalfEven((resized - length) / 2);
  const first = new Int32Array(length);
  const weights: Float32Array[] = [];
  for (let i = 0; i < length; i++) {
    const centre = (before + i + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(size, Math.trunc(centre + reach + 0.5));
    const row = Array.from(
      { length: end - begin },
      (_, t) => Math.max(0, 1 - Math.abs(begin + t + 0.5 - centre) / reach),
    );
    const sum = row.reduce((a, b) => a + b);
    first[i] = begin;
    weights.push(Float32Array.from(row, (weight) => weight / sum));
  }
  return { first, weights };
}

/** Rounds like Python. */
function roundHalfEven(value: number): number {
  const whole = Math.floor(value);
  return value - whole === 0.5 ? whole + (whole & 1) : Math.round(value);
}

/** Weights that map `size` pixels from `start` on to `length` new ones; each set sums to 1. */
function taps(start: number, size: number, length: number): Taps {
  const scale = size / length;
  const first = new Int32Array(length);
  const weights: Float32Array[] = [];
  for (let i = 0; i < length; i++) {
    const [from, row] = scale > 1
      ? areaTaps(i * scale, (i + 1) * scale, size)
      : linearTaps((i + 0.5) * scale - 0.5, size);
    first[i] = start + from;
    weights.push(row);
  }
  return { first, weights };
}

/** How much of [from, to) falls on each pixel. */
function areaTaps(from: number, to: number, size: number): [number, Float32Array] {
  const begin = Math.floor(from);
  const end = Math.min(size, Math.ceil(to - 1e-9));
  const row = new Float32Array(end - begin);
  for (let pixel = begin; pixel < end; pixel++) {
    row[pixel - begin] = (Math.min(to, pixel + 1) - Math.max(from, pixel)) / (to - from);
  }
  return [begin, row];
}

/** The two pixels whose centres surround `centre`; edges repeat. */
function linearTaps(centre: number, size: number): [number, Float32Array] {
  const clamped = Math.min(Math.max(centre, 0), size - 1);
  const begin = Math.floor(clamped);
  const part = clamped - begin;
  return [begin, part === 0 ? Float32Array.of(1) : Float32Array.of(1 - part, part)];
}

/** Applies both sets of taps to interleaved rows of `stride` values; rows first, then columns. */
function resample(
  source: Uint8Array | Float32Array,
  stride: number,
  channels: number,
  across: Taps,
  down: Taps,
): Float32Array {
  const width = across.weights.length;
  const height = down.weights.length;
  const top = down.first[0]!;
  const bottom = down.first[height - 1]! + down.weights[height - 1]!.length;
  const narrow = new Float32Array((bottom - top) * width * channels);
  for (let y = top; y < bottom; y++) {
    for (let x = 0; x < width; x++) {
      const row = across.weights[x]!;
      const from = y * stride + across.first[x]! * channels;
      const to = ((y - top) * width + x) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let t = 0; t < row.length; t++) {
          sum += row[t]! * source[from + t * channels + channel]!;
        }
        narrow[to + channel] = sum;
      }
    }
  }
  return combineRows(narrow, width * channels, down, top);
}

function combineRows(rows: Float32Array, rowLength: number, down: Taps, top: number): Float32Array {
  const height = down.weights.length;
  const out = new Float32Array(height * rowLength);
  for (let y = 0; y < height; y++) {
    const column = down.weights[y]!;
    const target = out.subarray(y * rowLength, (y + 1) * rowLength);
    for (let t = 0; t < column.length; t++) {
      const weight = column[t]!;
      const from = (down.first[y]! - top + t) * rowLength;
      for (let x = 0; x < rowLength; x++) target[x]! += weight * rows[from + x]!;
    }
  }
  return out;
}

function atLeastOne(size: number): number {
  return Math.max(1, Math.round(size));
}
