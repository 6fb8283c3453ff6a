/** How a packed weight is laid out; a layer's columns start at `offset`. */
export interface PackedShape {
  readonly taps: number;
  /** Input channels, padded to a multiple of 4. */
  readonly channels: number;
  readonly offset: number;
  /** In blocks of 32 columns, in f16 four columns of two k in turns; or in rows of this length. */
  readonly layout: "f32" | "f16" | { readonly columns: number };
}

/** Writes source[n, channel, tap] to packed[k, offset + n], k = tap * channels + channel. */
export function packWeightReference(
  packed: Float32Array,
  source: ArrayLike<number>,
  [n, k]: readonly [number, number],
  { taps, channels, offset, layout }: PackedShape,
): void {
  for (let i = 0; i < n * k; i++) {
    const column = offset + Math.floor(i / k);
    const row = (i % taps) * channels + Math.floor(i % k / taps);
    packed[place(row, column, taps * channels, layout)] = source[i]!;
  }
}

function place(k: number, column: number, rows: number, layout: PackedShape["layout"]): number {
  if (typeof layout === "object") return k * layout.columns + column;
  const block = Math.floor(column / 32) * rows * 32;
  if (layout === "f32") return block + k * 32 + column % 32;
  const [pair, quartet] = [Math.floor(k / 2), Math.floor(column % 32 / 4)];
  return block + pair * 64 + quartet * 8 + (k % 2) * 4 + column % 4;
}
