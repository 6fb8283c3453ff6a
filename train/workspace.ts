import {
  type Dtype,
  type Memory,
  type MemoryKind,
  type Tensor,
  tensorBytes,
} from "../gpu/memory.ts";

/**
 * Named memory for passes of several lengths: the longest is recorded first, and shorter ones reuse
 * its memory.
 */
export class Workspace {
  readonly #memory: Memory;
  readonly #kind: MemoryKind;
  readonly #dtype: "f32" | "f16";
  readonly #tensors = new Map<string, Tensor>();

  /** @param of kind of memory and type of activations and their gradients */
  constructor(memory: Memory, of: { readonly kind: MemoryKind; readonly dtype: "f32" | "f16" }) {
    this.#memory = memory;
    this.#kind = of.kind;
    this.#dtype = of.dtype;
  }

  /**
   * A tensor of this name and shape, for activations and copies of weights.
   * @throws {RangeError} the name was first used for a smaller one
   */
  tensor(name: string, shape: readonly number[]): Tensor {
    return this.#named(name, shape, this.#dtype, this.#kind);
  }

  /** The same in f32, for what is summed up. */
  exact(name: string, shape: readonly number[]): Tensor {
    return this.#named(name, shape, "f32", this.#kind);
  }

  /** The same in a buffer, for what the CPU writes and for sums. */
  buffer(name: string, shape: readonly number[], dtype: "f32" | "u32" = "f32"): Tensor {
    return this.#named(name, shape, dtype, "storage");
  }

  #named(
    name: string,
    shape: readonly number[],
    dtype: Dtype,
    kind: MemoryKind,
  ): Tensor {
    const known = this.#tensors.get(name);
    if (!known) {
      const made = this.#memory.tensor(name, shape, dtype, kind);
      this.#tensors.set(name, made);
      return made;
    }
    if (known.buffer.bytes < tensorBytes(shape, dtype)) {
      throw new RangeError(`Cannot reuse "${name}" [${known.shape}] for [${shape}]: too small`);
    }
    return { buffer: known.buffer, shape, dtype };
  }
}
