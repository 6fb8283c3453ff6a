/** One picture, 8 bits per channel: `data` is [height, width, 3], RGB interleaved. */
export interface RgbFrame {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Rows from the top, 3 bytes per pixel. */
  readonly data: Uint8Array;
}

/** One picture as the model sees it: `data` is planar [3, height, width] in [0, 1]. */
export interface FloatFrame {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Red, green and blue plane, rows from the top. */
  readonly data: Float32Array;
}

/** Whether `frame` has bytes rather than floats. */
export function isRgb(frame: RgbFrame | FloatFrame): frame is RgbFrame {
  return frame.data instanceof Uint8Array;
}

/**
 * Rounds a float picture to bytes: `round(255 x)`, halves up, clamped to 0..255. NaN becomes 0. One
 * of bytes stays as it is.
 *
 * @throws {TypeError} if the data does not have 3 x height x width values.
 */
export function toRgb(frame: FloatFrame | RgbFrame): RgbFrame {
  if (isRgb(frame)) return frame;
  checkFrame(frame);
  const { width, height, data } = frame;
  const pixels = width * height;
  const rgb = new Uint8Array(pixels * 3);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < pixels; i++) {
      const value = data[channel * pixels + i]! * 255 + 0.5;
      rgb[i * 3 + channel] = value >= 255 ? 255 : value > 0 ? value : 0;
    }
  }
  return { width, height, data: rgb };
}

/** One picture with an opaque alpha channel: `data` is [height, width, 4]. */
export interface RgbaFrame extends Omit<RgbFrame, "data"> {
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Adds an opaque alpha channel. */
export function toRgba({ width, height, data }: RgbFrame): RgbaFrame {
  const rgba = new Uint8Array(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    rgba[4 * i] = data[3 * i]!;
    rgba[4 * i + 1] = data[3 * i + 1]!;
    rgba[4 * i + 2] = data[3 * i + 2]!;
  }
  return { width, height, data: rgba };
}

/**
 * Turns bytes into floats: `x / 255`. `toRgb(toFloat(f))` gives `f` back exactly. A float picture
 * stays as it is.
 *
 * @throws {TypeError} if the data does not have 3 x height x width values.
 */
export function toFloat(frame: RgbFrame | FloatFrame): FloatFrame {
  if (!isRgb(frame)) return frame;
  checkFrame(frame);
  const { width, height, data } = frame;
  const pixels = width * height;
  const planes = new Float32Array(pixels * 3);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < pixels; i++) planes[channel * pixels + i] = data[i * 3 + channel]! / 255;
  }
  return { width, height, data: planes };
}

/**
 * Repeats each pixel `factor` times in both directions (nearest neighbour).
 *
 * @param factor whole number, 1 or more
 */
export function enlarge(frame: RgbFrame, factor: number): RgbFrame {
  if (!Number.isInteger(factor) || factor < 1) {
    throw new RangeError(
      `Cannot enlarge a picture ${factor}-fold: the factor must be 1, 2, 3, ...`,
    );
  }
  if (factor === 1) return frame;
  const width = frame.width * factor;
  const height = frame.height * factor;
  const data = new Uint8Array(width * height * 3);
  const rowBytes = width * 3;
  for (let y = 0; y < frame.height; y++) {
    const top = y * factor * rowBytes;
    for (let x = 0; x < width; x++) {
      const from = (y * frame.width + Math.floor(x / factor)) * 3;
      data[top + x * 3] = frame.data[from]!;
      data[top + x * 3 + 1] = frame.data[from + 1]!;
      data[top + x * 3 + 2] = frame.data[from + 2]!;
    }
    for (let copy = 1; copy < factor; copy++) {
      data.copyWithin(top + copy * rowBytes, top, top + rowBytes);
    }
  }
  return { width, height, data };
}

/** Mirrors a picture: left becomes right. */
export function mirror({ width, height, data }: RgbFrame): RgbFrame {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < width * height; i++) {
    const x = i % width;
    out.set(data.subarray(3 * i, 3 * i + 3), 3 * (i - x + width - 1 - x));
  }
  return { width, height, data: out };
}

/** Turns a picture clockwise by 0, 90, 180 or 270 degrees. */
export function rotate(frame: RgbFrame, degrees: number): RgbFrame {
  const turns = ((degrees / 90) % 4 + 4) % 4;
  if (turns === 0) return frame;
  const { width, height, data } = frame;
  const [newWidth, newHeight] = turns === 2 ? [width, height] : [height, width];
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const newX = turns === 1 ? height - 1 - y : turns === 2 ? width - 1 - x : y;
      const newY = turns === 1 ? x : turns === 2 ? height - 1 - y : width - 1 - x;
      const [from, to] = [(y * width + x) * 3, (newY * newWidth + newX) * 3];
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { width: newWidth, height: newHeight, data: out };
}

/**
 * Checks that a frame's data matches its size.
 *
 * @throws {TypeError} if the data does not have 3 x height x width values.
 */
export function checkFrame(frame: RgbFrame | FloatFrame): void {
  const { width, height, data } = frame;
  if (data.length !== width * height * 3) {
    throw new TypeError(
      `Cannot use a frame of ${width}x${height}: it needs ${width * height * 3} values, ` +
        `but holds ${data.length}`,
    );
  }
}
