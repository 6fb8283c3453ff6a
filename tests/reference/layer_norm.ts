/**
 * LN(x) * (1 + scale) + shift, plain loops in float64.
 * @param x rows of d floats
 * @param shift, scale of each row, d floats
 */
export function layerNormReference(
  x: ArrayLike<number>,
  d: number,
  modulation: (row: number) => { shift: ArrayLike<number>; scale: ArrayLike<number> },
): Float64Array {
  const y = new Float64Array(x.length);
  for (let row = 0; row < x.length / d; row++) {
    const { shift, scale } = modulation(row);
    let sum = 0;
    for (let i = 0; i < d; i++) sum += x[row * d + i]!;
    const mean = sum / d;
    let squares = 0;
    for (let i = 0; i < d; i++) squares += (x[row * d + i]! - mean) ** 2;
    const deviation = Math.sqrt(squares / d + 1e-6);
    for (let i = 0; i < d; i++) {
      y[row * d + i] = (x[row * d + i]! - mean) / deviation * (1 + scale[i]!) + shift[i]!;
    }
  }
  return y;
}
