import { Mt19937 } from "../run/mt19937.ts";
import type { GeneratorState } from "../run/noise.ts";

const WORDS = 624;

/**
 * Python's `random.Random`: `randint` draws the same numbers from the same seed.
 * Source: CPython, Modules/_randommodule.c (`init_by_array`) and Lib/random.py (`_randbelow`).
 */
export class PythonRandom {
  readonly #bits: Mt19937;

  /** `seed`: a whole number, as for `random.seed`; its sign is ignored. */
  constructor(seed: number) {
    this.#bits = new Mt19937(19650218);
    this.#bits.state = { words: seedWords(this.#bits.state.words, keyOf(seed)), index: WORDS };
  }

  /** A whole number from `low` to `high`, both included. */
  randint(low: number, high: number): number {
    const count = high - low + 1;
    const bits = 32 - Math.clz32(count);
    let value: number;
    do value = this.#bits.next() >>> (32 - bits); while (value >= count);
    return low + value;
  }

  get state(): GeneratorState {
    return { ...this.#bits.state, cachedNormal: undefined };
  }

  /** Restores a state. @throws {RangeError} it is not a valid state */
  set state({ words, index }: GeneratorState) {
    this.#bits.state = { words, index };
  }
}

/** A seed's 32-bit words, the lowest first. */
function keyOf(seed: number): number[] {
  let rest = BigInt(Math.abs(seed));
  const key: number[] = [];
  do {
    key.push(Number(rest & 0xffffffffn));
    rest >>= 32n;
  } while (rest > 0n);
  return key;
}

/** `init_by_array`, from the words that the seed 19650218 gives. */
function seedWords(words: Uint32Array, key: readonly number[]): Uint32Array {
  let i = 1;
  let j = 0;
  const mixed = (factor: number) => {
    const before = words[i - 1]!;
    return words[i]! ^ Math.imul(before ^ (before >>> 30), factor);
  };
  const advance = () => {
    if (++i < WORDS) return;
    words[0] = words[WORDS - 1]!;
    i = 1;
  };
  for (let k = Math.max(WORDS, key.length); k > 0; k--) {
    words[i] = mixed(1664525) + key[j]! + j;
    j = (j + 1) % key.length;
    advance();
  }
  for (let k = WORDS - 1; k > 0; k--) {
    words[i] = mixed(1566083941) - i;
    advance();
  }
  words[0] = 0x80000000;
  return words;
}
