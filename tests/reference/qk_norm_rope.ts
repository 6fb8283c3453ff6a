/**
 * One head of q or k: RMS norm with a weight, then the rotation of adjacent pairs.
 * @param x 64 floats
 * @param angles of the 32 pairs, in radians
 */
export function normAndRotate(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  angles: readonly number[],
): Float64Array {
  let squares = 0;
  for (let i = 0; i < 64; i++) squares += x[i]! ** 2;
  const rms = Math.sqrt(squares / 64 + 1e-6);
  const out = new Float64Array(64);
  for (const [pair, angle] of angles.entries()) {
    const a = x[2 * pair]! / rms * weight[2 * pair]!;
    const b = x[2 * pair + 1]! / rms * weight[2 * pair + 1]!;
    out[2 * pair] = a * Math.cos(angle) - b * Math.sin(angle);
    out[2 * pair + 1] = b * Math.cos(angle) + a * Math.sin(angle);
  }
  return out;
}

/** Angles of the 32 pairs of a head at a position in (frame, row, column). */
export function headAngles(
  position: readonly [number, number, number],
  axes: readonly [number, number, number],
): number[] {
  return axes.flatMap((dim, axis) =>
    Array.from({ length: dim / 2 }, (_, i) => position[axis]! * 10000 ** (-2 * i / dim))
  );
}
