/** A small seeded generator (xorshift32) so that tests are the same every time. */
export function randomFloats(count: number, seed = 1, scale = 1): Float32Array {
  let state = seed * 2654435761 >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return scale * (state / 2 ** 31 - 1);
  });
}

/** Numbers from 0 to 1, one at a time. */
export function uniform(seed: number): () => number {
  const values = randomFloats(100_000, seed);
  let at = 0;
  return () => (values[at++]! + 1) / 2;
}
