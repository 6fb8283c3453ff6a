/**
 * Plain loops: every channel's own 3 x 3 convolution, then the first half of the channels times
 * SiLU of the second.
 * @param x [b, h, w, c], `weight` as files store it, [c, 1, 3, 3]
 * @returns [b, h, w, c / 2]
 */
export function depthwiseGluReference(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  [b, h, w, c]: readonly [number, number, number, number],
): Float32Array {
  const convolve = (image: number, row: number, column: number, channel: number) => {
    let sum = bias[channel]!;
    for (let t = 0; t < 9; t++) {
      const r = row + Math.floor(t / 3) - 1;
      const s = column + t % 3 - 1;
      if (r < 0 || r >= h || s < 0 || s >= w) continue;
      sum += x[((image * h + r) * w + s) * c + channel]! * weight[channel * 9 + t]!;
    }
    return sum;
  };
  const y: number[] = [];
  for (let image = 0; image < b; image++) {
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++) {
        for (let channel = 0; channel < c / 2; channel++) {
          const gate = convolve(image, row, column, c / 2 + channel);
          y.push(convolve(image, row, column, channel) * gate / (1 + Math.exp(-gate)));
        }
      }
    }
  }
  return Float32Array.from(y);
}
