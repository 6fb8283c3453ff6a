/** Sizes of a convolution: images, rows, columns, channels in and out, taps along an axis. */
export interface ConvSizes {
  readonly b: number;
  readonly h: number;
  readonly w: number;
  readonly k: number;
  readonly n: number;
  readonly size: number;
}

/**
 * Plain loops for a convolution with stride 1 and zero padding.
 * @param x [b, h, w, k], `weight` as files store it, [n, k, size, size]
 * @returns [b, h, w, n]
 */
export function conv2dReference(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array | undefined,
  { b, h, w, k, n, size }: ConvSizes,
): Float32Array {
  const y = new Float32Array(b * h * w * n);
  const border = (size - 1) / 2;
  for (let i = 0; i < y.length; i++) {
    const [out, column, row] = [i % n, Math.floor(i / n) % w, Math.floor(i / n / w) % h];
    const image = Math.floor(i / n / w / h);
    let sum = bias?.[out] ?? 0;
    for (let ty = 0; ty < size; ty++) {
      for (let tx = 0; tx < size; tx++) {
        const [r, c] = [row + ty - border, column + tx - border];
        if (r < 0 || r >= h || c < 0 || c >= w) continue;
        for (let channel = 0; channel < k; channel++) {
          const value = x[((image * h + r) * w + c) * k + channel]!;
          sum += value * weight[((out * k + channel) * size + ty) * size + tx]!;
        }
      }
    }
    y[i] = sum;
  }
  return y;
}
