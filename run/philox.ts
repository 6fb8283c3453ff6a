const ROUNDS = 10;

/**
 * Philox4x32-10: a counter of 128 bits and a key of 64 give 128 random bits, the generator behind
 * PyTorch's CUDA tensors.
 *
 * Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
 */
export class Philox4x32 {
  /** The key of each round: low and high word in turn. */
  readonly #keys = new Int32Array(2 * ROUNDS);

  /** `keyLow`, `keyHigh`: the two 32-bit words of the seed. */
  constructor(keyLow: number, keyHigh: number) {
    for (let round = 0; round < ROUNDS; round++) {
      this.#keys[2 * round] = keyLow + Math.imul(round, 0x9e3779b9);
      this.#keys[2 * round + 1] = keyHigh + Math.imul(round, 0xbb67ae85);
    }
  }

  /** Writes the four 32-bit words of counter `(c0, c1, c2, c3)`, lowest word first, into `out`. */
  block(c0: number, c1: number, c2: number, c3: number, out: Uint32Array): void {
    const keys = this.#keys;
    for (let round = 0; round < ROUNDS; round++) {
      const low0 = Math.imul(c0, 0xd2511f53);
      const high0 = multiplyHigh(c0, 0xd251, 0x1f53);
      const low1 = Math.imul(c2, 0xcd9e8d57);
      const high1 = multiplyHigh(c2, 0xcd9e, 0x8d57);
      c0 = high1 ^ c1 ^ keys[2 * round]!;
      c1 = low1;
      c2 = high0 ^ c3 ^ keys[2 * round + 1]!;
      c3 = low0;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
  }
}

/** The high word of the 64-bit product of `a` and the constant `(high << 16) | low`. */
function multiplyHigh(a: number, high: number, low: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  // Each sum stays below 2^53, so doubles carry it exactly.
  const middle = aHigh * low + ((aLow * low) >>> 16);
  const rest = aLow * high + (middle % 0x10000);
  return (aHigh * high + Math.floor(middle / 0x10000) + Math.floor(rest / 0x10000)) | 0;
}
