/**
 * A plain twin of the discriminator in float64, whose gradients the tests take by finite
 * differences. Nothing here knows how the kernels compute theirs.
 */
import { batchNormTwin } from "./autoencoder_training.ts";

type Numbers = ArrayLike<number>;
type Nhwc = readonly [b: number, h: number, w: number, c: number];

const TAPS = 16;

/** The pixels that each output of a 4 x 4 convolution reads, padded by a pixel; -1 where none is. */
export function unfoldTwin(
  x: Numbers,
  [b, h, w, c]: Nhwc,
  stride: number,
): { readonly shape: number[]; readonly values: number[]; readonly sources: number[] } {
  const [rows, columns] = [h, w].map((n) => Math.floor((n + 2 - 4) / stride) + 1) as [
    number,
    number,
  ];
  const sources: number[] = [];
  for (let pixel = 0; pixel < b * rows * columns; pixel++) {
    const [picture, row, column] = [
      Math.floor(pixel / columns / rows),
      Math.floor(pixel / columns) % rows,
      pixel % columns,
    ];
    for (let tap = 0; tap < TAPS; tap++) {
      const y = row * stride + Math.floor(tap / 4) - 1;
      const z = column * stride + tap % 4 - 1;
      const inside = y >= 0 && y < h && z >= 0 && z < w;
      for (let channel = 0; channel < c; channel++) {
        sources.push(inside ? ((picture * h + y) * w + z) * c + channel : -1);
      }
    }
  }
  const values = sources.map((source) => source < 0 ? 0 : x[source]!);
  return { shape: [b, rows, columns, TAPS * c], values, sources };
}

/** A 4 x 4 convolution with weight [n, c, 4, 4], padded by a pixel. */
function conv4Twin(
  x: Numbers,
  shape: Nhwc,
  { weight, n, stride }: { readonly weight: Numbers; readonly n: number; readonly stride: number },
): { readonly values: number[]; readonly shape: Nhwc } {
  const c = shape[3];
  const { values, shape: [b, rows, columns] } = unfoldTwin(x, shape, stride);
  const pixels = values.length / TAPS / c;
  const y = Array.from({ length: pixels * n }, (_, i) => {
    const [pixel, out] = [Math.floor(i / n), i % n];
    let sum = 0;
    for (let tap = 0; tap < TAPS; tap++) {
      for (let k = 0; k < c; k++) {
        sum += values[(pixel * TAPS + tap) * c + k]! * weight[(out * c + k) * TAPS + tap]!;
      }
    }
    return sum;
  });
  return { values: y, shape: [b!, rows!, columns!, n] };
}

/** Logits of pictures [b, h, w, 3], by weights in released names and shapes. */
export function judgeTwin(
  weights: Readonly<Record<string, Numbers>>,
  pictures: Numbers,
  [b, h, w]: readonly [number, number, number],
): number[] {
  let [x, shape]: [Numbers, Nhwc] = [pictures, [b, h, w, 3]];
  for (const [conv, norm, stride] of [[0, 0, 2], [2, 3, 2], [5, 6, 2], [8, 9, 1], [11, 0, 1]]) {
    const weight = weights[`main.${conv}.weight`]!;
    const n = weight.length / TAPS / shape[3];
    const made = conv4Twin(x, shape, { weight, n, stride: stride! });
    const bias = weights[`main.${norm || conv}.bias`]!;
    const normed = norm
      ? batchNormTwin(made.values, weights[`main.${norm}.weight`]!, bias)
      : made.values.map((value, i) => value + bias[i % n]!);
    [x, shape] = [conv === 11 ? normed : normed.map((v) => v > 0 ? v : 0.2 * v), made.shape];
  }
  return Array.from(x);
}
