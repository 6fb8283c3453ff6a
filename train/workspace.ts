import type { Memory, Tensor } from "../gpu/memory.ts";
import { size } from "../gpu/memory.ts";

/**
 * Named memory for passes of several lengths: the longest is recorded first, and shorter ones reuse
 * its buffers.
 */
export class Workspace {
  readonly #memory: Memory;
  readonly #tensors = new Map<string, Tensor>();

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /**
   * A tensor of this name and shape.
   * @throws {RangeError} the name was first used for a smaller one
   */
  tensor(name: string, shape: readonly number[], dtype: "f32" | "u32" = "f32"): Tensor {
    const known = this.#tensors.get(name);
    if (!known) {
      const made = this.#memory.tensor(name, shape, dtype);
      this.#tensors.set(name, made);
      return made;
    }
    if (known.buffer.bytes < 4 * size(shape)) {
      throw new RangeError(`Cannot reuse "${name}" [${known.shape}] for [${shape}]: too small`);
    }
    return { buffer: known.buffer, shape, dtype };
  }

  /** An image of at least so many floats; the largest must be requested first. */
  image(name: string, floats: number): Tensor {
    const known = this.#tensors.get(name);
    if (known && known.buffer.bytes >= 4 * floats) return known;
    const made = this.#memory.tensor(name, [floats], "f32", "texture");
    this.#tensors.set(name, made);
    return made;
  }
}
