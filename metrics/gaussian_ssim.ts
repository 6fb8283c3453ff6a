/** Taps of the window, and its standard deviation. */
const TAPS = 11;
const SIGMA = 1.5;
const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;

/** Weights of the scales, from the finest on. Source: Wang, Simoncelli and Bovik 2003. */
const SCALE_WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

const WINDOW = gaussian();

function gaussian(): Float64Array {
  const weights = Float64Array.from(
    { length: TAPS },
    (_, i) => Math.exp(-(((i - (TAPS - 1) / 2) / SIGMA) ** 2) / 2),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** Values of one channel. */
interface Plane {
  readonly width: number;
  readonly height: number;
  readonly values: Float64Array;
}

/**
 * Structural similarity of two pictures, planar [3, height, width] in [0, 1]: the mean over
 * channels and over windows of 11x11 around every pixel, weighted by a Gaussian of sigma 1.5; a
 * picture is mirrored beyond its border. Source: torchmetrics, `StructuralSimilarityIndexMeasure`,
 * which the released code uses.
 * @throws {RangeError} pictures smaller than the window
 */
export function gaussianSsim(
  a: Float32Array,
  b: Float32Array,
  width: number,
  height: number,
): number {
  checkSize(width, height);
  let sum = 0;
  for (let channel = 0; channel < 3; channel++) {
    const [x, y] = [a, b].map((picture) => mirrored(planeOf(picture, channel, width, height)));
    sum += compare(x!, y!).ssim;
  }
  return sum / 3;
}

/**
 * Structural similarity over several scales: of as many of the five usual ones as the pictures have
 * room for (five from 161 pixels on, three at 64), their weights made to add up to 1.
 * Source: pytorch-msssim, `ms_ssim`.
 * @throws {RangeError} pictures smaller than the window
 */
export function multiScaleSsim(
  a: Float32Array,
  b: Float32Array,
  width: number,
  height: number,
): { readonly value: number; readonly scales: number } {
  checkSize(width, height);
  const scales = scalesOf(Math.min(width, height));
  const weights = SCALE_WEIGHTS.slice(0, scales);
  const whole = weights.reduce((x, y) => x + y, 0);
  let sum = 0;
  for (let channel = 0; channel < 3; channel++) {
    let x = planeOf(a, channel, width, height);
    let y = planeOf(b, channel, width, height);
    let product = 1;
    for (const [scale, weight] of weights.entries()) {
      if (scale > 0) [x, y] = [halved(x), halved(y)];
      const { ssim, contrast } = compare(x, y);
      const part = scale === scales - 1 ? ssim : contrast;
      product *= Math.max(0, part) ** (weight / whole);
    }
    sum += product;
  }
  return { value: sum / 3, scales };
}

/** Scales at which a whole window fits with room to move. */
function scalesOf(side: number): number {
  let scales = 1;
  while (scales < SCALE_WEIGHTS.length && side > (TAPS - 1) * 2 ** scales) scales++;
  return scales;
}

function checkSize(width: number, height: number): void {
  if (Math.min(width, height) >= TAPS) return;
  throw new RangeError(
    `Cannot compare pictures of ${width}x${height}: Gaussian SSIM needs ${TAPS}x${TAPS}`,
  );
}

function planeOf(picture: Float32Array, channel: number, width: number, height: number): Plane {
  const size = width * height;
  const values = Float64Array.from(picture.subarray(channel * size, (channel + 1) * size));
  return { width, height, values };
}

/** A plane with half a window of border, its edge not repeated. */
function mirrored({ width, height, values }: Plane): Plane {
  const border = (TAPS - 1) / 2;
  const [across, down] = [width + 2 * border, height + 2 * border];
  const fold = (i: number, side: number) => i < 0 ? -i : i < side ? i : 2 * (side - 1) - i;
  const out = new Float64Array(across * down);
  for (let y = 0; y < down; y++) {
    const row = fold(y - border, height) * width;
    for (let x = 0; x < across; x++) out[y * across + x] = values[row + fold(x - border, width)]!;
  }
  return { width: across, height: down, values: out };
}

/** Means over all windows of SSIM and of its part without brightness. */
function compare(x: Plane, y: Plane): { readonly ssim: number; readonly contrast: number } {
  const times = (p: Plane, q: Plane) => ({
    ...p,
    values: p.values.map((v, i) => v * q.values[i]!),
  });
  const [mx, my, mxx, myy, mxy] = [x, y, times(x, x), times(y, y), times(x, y)].map(smoothed);
  let ssim = 0;
  let contrast = 0;
  for (const [i, ux] of mx!.entries()) {
    const uy = my![i]!;
    const [vx, vy] = [mxx![i]! - ux * ux, myy![i]! - uy * uy];
    const vxy = mxy![i]! - ux * uy;
    const part = (2 * vxy + C2) / (vx + vy + C2);
    contrast += part;
    ssim += part * (2 * ux * uy + C1) / (ux * ux + uy * uy + C1);
  }
  return { ssim: ssim / mx!.length, contrast: contrast / mx!.length };
}

/** Weighted means over every whole window: down, then across. */
function smoothed({ width, height, values }: Plane): Float64Array {
  const [across, down] = [width - TAPS + 1, height - TAPS + 1];
  const rows = new Float64Array(width * down);
  for (const [tap, weight] of WINDOW.entries()) {
    for (let i = 0; i < rows.length; i++) rows[i]! += weight * values[i + tap * width]!;
  }
  const out = new Float64Array(across * down);
  for (const [tap, weight] of WINDOW.entries()) {
    for (let y = 0; y < down; y++) {
      for (let x = 0; x < across; x++) out[y * across + x]! += weight * rows[y * width + x + tap]!;
    }
  }
  return out;
}

/** Means of 2x2 values; an odd side gets a border of zeros first, as pytorch-msssim does. */
function halved({ width, height, values }: Plane): Plane {
  const [left, top] = [width % 2, height % 2];
  const [across, down] = [(width + left) >> 1, (height + top) >> 1];
  const out = new Float64Array(across * down);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = ((y + top) >> 1) * across + ((x + left) >> 1);
      out[place]! += values[y * width + x]! / 4;
    }
  }
  return { width: across, height: down, values: out };
}
