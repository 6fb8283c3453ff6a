import type { TensorInfo } from "../weights/tensor_file.ts";
import type { WeightSource } from "./loader.ts";

/** Values repeat after this many; no kernel's speed depends on them. */
const PERIOD = 1 << 16;

/**
 * Synthetic weights of any names and shapes, for benchmarks and architectures without a checkpoint:
 * always the same, scaled to keep activations near 1, with positive variances.
 */
export class SyntheticWeights implements WeightSource {
  /** Uniform between -1 and 1 (a linear congruential generator). */
  readonly #values = new Float32Array(PERIOD);

  constructor(seed = 1) {
    let state = seed >>> 0;
    for (let i = 0; i < PERIOD; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      this.#values[i] = state / 2 ** 31 - 1;
    }
  }

  expect(name: string, shape: readonly number[]): TensorInfo {
    const bytes = 4 * shape.reduce((product, n) => product * n, 1);
    return { name, dtype: "F32", shape, offset: 0, bytes };
  }

  readRange(
    { name, shape }: TensorInfo,
    start: number,
    bytes: number,
    into = new Uint8Array(bytes),
  ): Promise<Uint8Array> {
    const { scale, shift } = spread(name, shape);
    const period = new Uint8Array(this.#values.map((value) => shift + scale * value).buffer);
    let from = (start + 4 * hash(name)) % period.length;
    for (let done = 0; done < bytes;) {
      const part = period.subarray(from, from + bytes - done);
      into.set(part, done);
      done += part.length;
      from = 0;
    }
    return Promise.resolve(into);
  }
}

/** Matrices keep the variance of their input; factors are near 1, offsets near 0. */
function spread(name: string, shape: readonly number[]): { scale: number; shift: number } {
  if (shape.length > 1) {
    const inputs = shape.slice(1).reduce((product, n) => product * n, 1);
    return { scale: Math.sqrt(3 / inputs), shift: 0 };
  }
  const factor = name.endsWith("weight") || name.endsWith("var");
  return { scale: 0.1, shift: factor ? 1 : 0 };
}

/** Where a tensor's values start in the period. */
function hash(name: string): number {
  let h = 0;
  for (let i = 0; i < name.length; i++) h = (Math.imul(h, 31) + name.charCodeAt(i)) >>> 0;
  return h % PERIOD;
}
