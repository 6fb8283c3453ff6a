/**
 * Plain twins of the autoencoder's layers in float64, whose gradients the tests take by finite
 * differences. Nothing here knows how the kernels compute theirs.
 */
import type { ConvSizes } from "./conv2d.ts";

type Numbers = ArrayLike<number>;
type Nhwc = readonly [b: number, h: number, w: number, c: number];

/** A convolution without bias, stride 1, zero-padded: x [b, h, w, k], weight [n, k, size, size]. */
export function convTwin(x: Numbers, weight: Numbers, sizes: ConvSizes): number[] {
  const { b, h, w, k, n, size } = sizes;
  return Array.from({ length: b * h * w * n }, (_, i) => {
    const [out, pixel] = [i % n, Math.floor(i / n)];
    let sum = 0;
    for (let tap = 0; tap < size * size; tap++) {
      const from = neighbour(pixel, h, w, tap, size);
      for (let c = 0; from !== undefined && c < k; c++) {
        sum += x[from * k + c]! * weight[(out * k + c) * size * size + tap]!;
      }
    }
    return sum;
  });
}

/** The pixel that a tap reads, if it is inside the image. */
function neighbour(
  pixel: number,
  h: number,
  w: number,
  tap: number,
  size: number,
): number | undefined {
  const border = (size - 1) / 2;
  const [dy, dx] = [Math.floor(tap / size) - border, tap % size - border];
  const [row, column] = [Math.floor(pixel / w) % h + dy, pixel % w + dx];
  return row < 0 || row >= h || column < 0 || column >= w ? undefined : pixel + dy * w + dx;
}

/** a * SiLU(g), [a; g] being the halves of a depthwise 3 x 3 convolution with bias. */
export function depthwiseGluTwin(
  x: Numbers,
  weight: Numbers,
  bias: Numbers,
  [b, h, w, c]: Nhwc,
): number[] {
  const at = (pixel: number, channel: number) => {
    let sum = bias[channel]!;
    for (let tap = 0; tap < 9; tap++) {
      const from = neighbour(pixel, h, w, tap, 3);
      if (from !== undefined) sum += x[from * c + channel]! * weight[channel * 9 + tap]!;
    }
    return sum;
  };
  return Array.from({ length: b * h * w * c / 2 }, (_, i) => {
    const [pixel, channel] = [Math.floor(i / (c / 2)), i % (c / 2)];
    const gate = at(pixel, c / 2 + channel);
    return at(pixel, channel) * gate / (1 + Math.exp(-gate));
  });
}

/** ReLU attention within groups of 3 dim channels: dim queries, keys, values. */
export function reluAttentionTwin(
  qkv: Numbers,
  [b, tokens, groups, dim]: readonly [number, number, number, number],
): number[] {
  const at = (row: number, channel: number) => qkv[row * 3 * dim + channel]!;
  const relu = (value: number) => Math.max(0, value);
  return Array.from({ length: b * tokens * groups }, (_, row) => {
    const first = Math.floor(row / groups / tokens) * tokens * groups + row % groups;
    const rows = Array.from({ length: tokens }, (_, m) => first + m * groups);
    const scores = rows.map((other) => {
      let score = 0;
      for (let d = 0; d < dim; d++) score += relu(at(row, d)) * relu(at(other, dim + d));
      return score;
    });
    const total = scores.reduce((sum, score) => sum + score, 1e-15);
    return Array.from(
      { length: dim },
      (_, d) => rows.reduce((s, other, m) => s + scores[m]! * at(other, 2 * dim + d), 0) / total,
    );
  }).flat();
}

/** Channels of each pixel by their root mean square (eps 1e-5), with weight and bias. */
export function channelNormTwin(x: Numbers, weight: Numbers, bias: Numbers): number[] {
  const c = weight.length;
  return Array.from(x, (value, i) => {
    const first = i - i % c;
    let squares = 0;
    for (let j = 0; j < c; j++) squares += x[first + j]! ** 2;
    return value / Math.sqrt(squares / c + 1e-5) * weight[i % c]! + bias[i % c]!;
  });
}

/** Each channel by its mean and variance over all pixels (eps 1e-5), with weight and bias. */
export function batchNormTwin(x: Numbers, weight: Numbers, bias: Numbers): number[] {
  const { mean, variance } = batchStatistics(x, weight.length);
  return Array.from(x, (value, i) => {
    const c = i % weight.length;
    return (value - mean[c]!) / Math.sqrt(variance[c]! + 1e-5) * weight[c]! + bias[c]!;
  });
}

/** Mean and biased variance of each channel. */
export function batchStatistics(
  x: Numbers,
  channels: number,
): { readonly mean: number[]; readonly variance: number[] } {
  const values = Array.from(
    { length: channels },
    (_, c) => Array.from(x).filter((_, i) => i % channels === c),
  );
  const mean = values.map((v) => v.reduce((a, b) => a + b, 0) / v.length);
  const variance = values.map((v, c) =>
    v.reduce((sum, value) => sum + (value - mean[c]!) ** 2, 0) / v.length
  );
  return { mean, variance };
}

/** Where channel `n` of a coarse pixel lies in the fine image: pixel_unshuffle's order. */
export function finePlace(pixel: number, w: number, q: number): number {
  const row = Math.floor(pixel / w);
  const corner = 4 * row * w + 2 * (pixel % w);
  return corner + (q >> 1 & 1) * 2 * w + (q & 1);
}

/** The shortcut of a block that halves the size: unshuffled, then means of groups of channels. */
export function downShortcutTwin(x: Numbers, [b, h, w, c]: Nhwc, channels: number): number[] {
  const size = 4 * c / channels;
  return Array.from({ length: b * h * w / 4 * channels }, (_, i) => {
    const [pixel, n] = [Math.floor(i / channels), i % channels];
    let sum = 0;
    for (let q = n * size; q < (n + 1) * size; q++) {
      sum += x[finePlace(pixel, w / 2, q % 4) * c + Math.floor(q / 4)]!;
    }
    return sum / size;
  });
}

/** The shortcut of a block that doubles the size: each channel repeated, then shuffled. */
export function upShortcutTwin(x: Numbers, [b, h, w, c]: Nhwc, channels: number): number[] {
  const y = new Array<number>(4 * b * h * w * channels);
  for (let pixel = 0; pixel < b * h * w; pixel++) {
    for (let q = 0; q < 4 * channels; q++) {
      const from = pixel * c + Math.floor(q / (4 * channels / c));
      y[finePlace(pixel, w, q % 4) * channels + Math.floor(q / 4)] = x[from]!;
    }
  }
  return y;
}
