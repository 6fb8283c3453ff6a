/** How a packed weight is laid out: [taps * channels, columns], a layer's columns from `offset`. */
export interface PackedShape {
  readonly taps: number;
  /** Input channels, padded to a multiple of 4. */
  readonly channels: number;
  readonly columns: number;
  readonly offset: number;
}

/** Writes source[n, channel, tap] to packed[tap, channel, offset + n]. */
export function packWeightReference(
  packed: Float32Array,
  source: ArrayLike<number>,
  [n, k]: readonly [number, number],
  { taps, channels, columns, offset }: PackedShape,
): void {
  for (let i = 0; i < n * k; i++) {
    const row = Math.floor(i / k);
    const channel = Math.floor(i % k / taps);
    const tap = i % taps;
    packed[(tap * channels + channel) * columns + offset + row] = source[i]!;
  }
}
