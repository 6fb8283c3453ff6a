const WORDS = 624;
const MIDDLE = 397;

/**
 * The Mersenne Twister MT19937: 32 random bits at a time, the generator behind PyTorch's CPU tensors.
 *
 * Source: Matsumoto and Nishimura 1998, "Mersenne Twister".
 */
export class Mt19937 {
  readonly #state = new Int32Array(WORDS);
  #position = WORDS;

  /** Seeds the state; `seed`: its low 32 bits count, as in PyTorch. */
  constructor(seed: number) {
    const state = this.#state;
    let word = seed | 0;
    state[0] = word;
    for (let i = 1; i < WORDS; i++) {
      word = (Math.imul(1812433253, word ^ (word >>> 30)) + i) | 0;
      state[i] = word;
    }
  }

  /** A copy of its words and the index of the next one (624 if all are used). */
  get state(): { readonly words: Uint32Array; readonly index: number } {
    return { words: new Uint32Array(this.#state), index: this.#position };
  }

  /** Restores a state. @throws {RangeError} it is not a state of this generator */
  set state({ words, index }: { readonly words: Uint32Array; readonly index: number }) {
    if (words.length !== WORDS || !Number.isInteger(index) || index < 0 || index > WORDS) {
      throw new RangeError("Cannot restore a random state: 624 words and an index are needed");
    }
    this.#state.set(words);
    this.#position = index;
  }

  /** Returns the next 32 bits as a signed integer (`>>> 0` makes it unsigned). */
  next(): number {
    if (this.#position === WORDS) this.#twist();
    let word = this.#state[this.#position++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return word ^ (word >>> 18);
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < WORDS; i++) {
      const following = state[i + 1 < WORDS ? i + 1 : 0]!;
      const mixed = (state[i]! & 0x80000000) | (following & 0x7fffffff);
      const far = state[i + MIDDLE < WORDS ? i + MIDDLE : i + MIDDLE - WORDS]!;
      state[i] = far ^ (mixed >>> 1) ^ (-(mixed & 1) & 0x9908b0df);
    }
    this.#position = 0;
  }
}
