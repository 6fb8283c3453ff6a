import type { Gpu } from "../gpu/gpu.ts";
import { type DeviceBuffer, type Dtype, Memory, type Tensor } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { type DeviceProfile, tensorKind } from "../gpu/tuning.ts";
import type { LinearWeights } from "../kernels/linear.ts";
import { packedShape, packWeight } from "../kernels/pack_weight.ts";

/** Numbers from -1 to 1 that are the same on every machine (xorshift32). */
export function seededFloats(count: number, seed: number): Float32Array {
  let state = Math.imul(seed, 2654435761) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  });
}

/** Records the kernels of a self-test with seeded inputs and runs them once. */
export class SelfTestBench {
  readonly program: Program;
  readonly #memory = new Memory();
  readonly #inputs: { readonly buffer: DeviceBuffer; readonly data: ArrayBufferView }[] = [];
  #seed = 0;

  /** @param profile selects the form of a kernel */
  constructor(profile: DeviceProfile) {
    this.program = new Program("self-test", this.#memory, profile);
  }

  /** A tensor of numbers from -1 to 1, different at each call. */
  floats(...shape: number[]): Tensor {
    const count = shape.reduce((a, b) => a * b, 1);
    return this.#upload(shape, "f32", seededFloats(count, ++this.#seed));
  }

  /** A tensor of whole numbers. */
  words(shape: readonly number[], values: readonly number[]): Tensor {
    return this.#upload(shape, "u32", Uint32Array.from(values));
  }

  /** A tensor of zeros that kernels write. */
  zeros(shape: readonly number[], dtype: Dtype = "f32"): Tensor {
    return this.#memory.tensor("self-test", shape, dtype);
  }

  /** Zeros in the kind of memory that the profile uses for weights and caches. */
  kept(shape: readonly number[], dtype: Dtype): Tensor {
    const kind = tensorKind(this.program.device);
    return this.#memory.tensor("self-test", shape, dtype, kind);
  }

  /** A uniform buffer with these bytes. */
  uniform(data: DataView): DeviceBuffer {
    const buffer = this.#memory.buffer("self-test", data.byteLength, "uniform");
    this.#inputs.push({ buffer, data });
    return buffer;
  }

  /**
   * A layer with weights [outputs, inputs x taps], packed by the kernel that packs a model's
   * weights.
   */
  layer(inputs: number, outputs: number, dtype: Dtype, taps = 1): LinearWeights {
    const weight = this.kept(packedShape(inputs * taps, outputs), dtype);
    const source = this.floats(outputs, inputs * taps).buffer;
    const shape = [outputs, inputs * taps] as const;
    packWeight(this.program, source, weight, { dtype: "F32", shape, taps });
    return { weight, bias: this.floats(Math.ceil(outputs / 8) * 8), inputs, outputs };
  }

  #upload(shape: readonly number[], dtype: Dtype, data: ArrayBufferView): Tensor {
    const tensor = this.zeros(shape, dtype);
    this.#inputs.push({ buffer: tensor.buffer, data });
    return tensor;
  }

  /** Runs the recorded kernels and reads the results, one after the other. @throws {GpuError} */
  async run(gpu: Gpu, results: readonly Tensor[]): Promise<Float32Array> {
    this.program.finish();
    try {
      this.#memory.allocate(gpu);
      for (const { buffer, data } of this.#inputs) gpu.write(buffer, 0, data);
      gpu.run(this.program);
      const parts: number[] = [];
      for (const { buffer, shape, dtype } of results) {
        const count = shape.reduce((a, b) => a * b, 1);
        const bytes = await gpu.read(buffer); // all, as images have whole rows
        const values = dtype === "f16"
          ? new Float16Array(bytes, 0, count)
          : dtype === "u32"
          ? new Uint8Array(bytes, 0, 4 * count)
          : new Float32Array(bytes, 0, count);
        parts.push(...values);
      }
      return Float32Array.from(parts);
    } finally {
      this.#memory.free(gpu);
    }
  }
}
