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
