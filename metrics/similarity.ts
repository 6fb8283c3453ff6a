/** How similar one picture is to another. */
export interface Similarity {
  /** Mean squared error of values in [0, 1]. */
  readonly mse: number;
  /** Peak signal-to-noise ratio in dB; Infinity for equal pictures. */
  readonly psnr: number;
  /** Structural similarity, 1 for equal pictures. */
  readonly ssim: number;
}

/** Side of the window that local statistics are taken over. */
const SSIM_WINDOW = 7;
const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;

/**
 * Compares two pictures, planar [3, height, width] in [0, 1]. PSNR is over all values; SSIM is the
 * mean over channels of the mean over all whole 7x7 windows, uniform, with sample covariance.
 * Source: scikit-image, `peak_signal_noise_ratio` and `structural_similarity` with data_range 1.
 * @throws {RangeError} pictures smaller than the window
 */
export function similarity(
  a: Float32Array,
  b: Float32Array,
  width: number,
  height: number,
): Similarity {
  if (width < SSIM_WINDOW || height < SSIM_WINDOW) {
    throw new RangeError(
      `Cannot compare pictures of ${width}x${height}: SSIM needs ${SSIM_WINDOW}x${SSIM_WINDOW}`,
    );
  }
  const plane = width * height;
  let squares = 0;
  let ssim = 0;
  for (let channel = 0; channel < 3; channel++) {
    const x = a.subarray(channel * plane, (channel + 1) * plane);
    const y = b.subarray(channel * plane, (channel + 1) * plane);
    for (let i = 0; i < plane; i++) squares += (x[i]! - y[i]!) ** 2;
    ssim += channelSsim(x, y, width, height) / 3;
  }
  const mse = squares / (3 * plane);
  return { mse, psnr: psnrOf(mse), ssim };
}

/** Peak signal-to-noise ratio of a mean squared error, for values in [0, 1]. */
export function psnrOf(mse: number): number {
  return mse === 0 ? Infinity : -10 * Math.log10(mse);
}

/** Means over frames, and the PSNR of the whole video's error. */
export interface Overall extends Similarity {
  /** In dB; 0 error gives infinity. */
  readonly psnrOfMse: number;
}

/** The mean of all frames. */
export function overall(frames: readonly Similarity[]): Overall {
  const mean = (of: (frame: Similarity) => number) =>
    frames.reduce((sum, frame) => sum + of(frame), 0) / frames.length;
  const mse = mean((frame) => frame.mse);
  return {
    mse,
    psnr: mean((frame) => frame.psnr),
    ssim: mean((frame) => frame.ssim),
    psnrOfMse: psnrOf(mse),
  };
}

function channelSsim(x: Float32Array, y: Float32Array, width: number, height: number): number {
  const n = SSIM_WINDOW ** 2;
  const sampled = n / (n - 1);
  const sx = windowSums(width, height, x);
  const sy = windowSums(width, height, y);
  const sxx = windowSums(width, height, x, x);
  const syy = windowSums(width, height, y, y);
  const sxy = windowSums(width, height, x, y);
  const count = sx.length;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const ux = sx[i]! / n;
    const uy = sy[i]! / n;
    const vx = sampled * (sxx[i]! / n - ux * ux);
    const vy = sampled * (syy[i]! / n - uy * uy);
    const vxy = sampled * (sxy[i]! / n - ux * uy);
    total += (2 * ux * uy + C1) * (2 * vxy + C2) /
      ((ux * ux + uy * uy + C1) * (vx + vy + C2));
  }
  return total / count;
}

/** Sums of `a`, or of `a` times `b`, over every whole window: running sums down, then across. */
function windowSums(
  width: number,
  height: number,
  a: Float32Array,
  b?: Float32Array,
): Float64Array {
  const across = width - SSIM_WINDOW + 1;
  const down = height - SSIM_WINDOW + 1;
  const out = new Float64Array(across * down);
  const columns = new Float64Array(width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      columns[x]! += b ? a[at]! * b[at]! : a[at]!;
      if (y < SSIM_WINDOW) continue;
      const above = at - SSIM_WINDOW * width;
      columns[x]! -= b ? a[above]! * b[above]! : a[above]!;
    }
    const top = y - SSIM_WINDOW + 1;
    if (top < 0) continue;
    let sum = 0;
    for (let x = 0; x < width; x++) {
      sum += columns[x]!;
      if (x >= SSIM_WINDOW) sum -= columns[x - SSIM_WINDOW]!;
      if (x >= SSIM_WINDOW - 1) out[top * across + x - SSIM_WINDOW + 1] = sum;
    }
  }
  return out;
}
