/** Sizes of a tensor [b, h, w, c]. */
export type Nhwc = readonly [b: number, h: number, w: number, c: number];

/** Plain loops, PyTorch's pixel_unshuffle by 2: [b, h, w, c] to [b, h / 2, w / 2, 4 c]. */
export function pixelUnshuffleReference(x: Float32Array, [b, h, w, c]: Nhwc): Float32Array {
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const [channel, column] = [i % c, Math.floor(i / c) % w];
    const row = Math.floor(i / c / w) % h;
    const image = Math.floor(i / c / w / h);
    const to = ((image * (h / 2) + (row >> 1)) * (w / 2) + (column >> 1)) * 4 * c;
    y[to + channel * 4 + (row & 1) * 2 + (column & 1)] = x[i]!;
  }
  if (y.length !== b * h * w * c) throw new Error("sizes do not fit");
  return y;
}

/** Plain loops, PyTorch's pixel_shuffle by 2: [b, h, w, 4 c] to [b, 2 h, 2 w, c]. */
export function pixelShuffleReference(x: Float32Array, [b, h, w, c4]: Nhwc): Float32Array {
  const c = c4 / 4;
  const y = new Float32Array(b * h * w * c4);
  for (let i = 0; i < y.length; i++) {
    const [channel, column] = [i % c, Math.floor(i / c) % (2 * w)];
    const row = Math.floor(i / c / (2 * w)) % (2 * h);
    const image = Math.floor(i / c / (4 * w * h));
    const pixel = (image * h + (row >> 1)) * w + (column >> 1);
    y[i] = x[pixel * c4 + channel * 4 + (row & 1) * 2 + (column & 1)]!;
  }
  return y;
}
