import type { WeightSource } from "../../model/loader.ts";
import type { Dtype, TensorInfo } from "../../weights/tensor_file.ts";

/** Weights held in memory, for tests of what loads them. */
export class MemoryWeights implements WeightSource {
  readonly #tensors = new Map<string, { info: TensorInfo; data: Uint8Array }>();
  /** Names asked for, in order. */
  readonly expected: string[] = [];

  add(name: string, shape: readonly number[], dtype: Dtype, values: ArrayBufferView): this {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const info = { name, dtype, shape, offset: 0, bytes: data.length };
    this.#tensors.set(name, { info, data });
    return this;
  }

  expect(name: string, shape: readonly number[]): TensorInfo {
    this.expected.push(name);
    const found = this.#tensors.get(name)?.info;
    if (found && String(found.shape) === String(shape)) return found;
    throw new Error(`${name} [${shape}] is not there: [${found?.shape}]`);
  }

  readRange({ name }: TensorInfo, start: number, bytes: number): Promise<Uint8Array> {
    return Promise.resolve(this.#tensors.get(name)!.data.slice(start, start + bytes));
  }
}
