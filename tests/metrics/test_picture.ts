/** A picture of pseudo-random values, planar [3, height, width]. */
export function testPicture(width: number, height: number, seed: number): Float32Array {
  return Float32Array.from(
    { length: 3 * width * height },
    (_, i) => ((i * i * 7 + i * seed + seed) % 251) / 250,
  );
}
