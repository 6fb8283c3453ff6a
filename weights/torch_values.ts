import { type ByteSource, FileSource } from "../files/byte_source.ts";
import { CheckpointError, naming, quote } from "../files/errors.ts";
import { PickleDict, PickleList, PickleTuple, type PickleValue } from "./pickle.ts";
import { openContainer, type PthContainer } from "./pth_container.ts";
import { DTYPE_BITS, elements } from "./tensor_file.ts";
import { TorchTensor } from "./torch_pickle.ts";

/**
 * A file of torch.save that holds more than named tensors: the state of an optimiser, of random
 * generators. Its values are walked by key; tensors are read when asked. Nothing in it is executed.
 */
export class TorchValues {
  /** What was saved. */
  readonly value: PickleValue;
  readonly #source: ByteSource;
  readonly #container: PthContainer;

  private constructor(source: ByteSource, container: PthContainer) {
    this.value = container.value;
    this.#source = source;
    this.#container = container;
  }

  /** @throws {CheckpointError} no checkpoint, malformed, or it asks for other than plain values */
  static async open(path: string): Promise<TorchValues> {
    const source = await FileSource.open(path);
    try {
      return new TorchValues(source, await openContainer(source, true));
    } catch (error) {
      source.close();
      throw naming(path, error);
    }
  }

  /** The value under these keys and indices. @throws {CheckpointError} there is none */
  at(...keys: (string | number)[]): PickleValue {
    let value: PickleValue | undefined = this.value;
    for (const key of keys) {
      if (value instanceof PickleDict) value = value.entries.get(key);
      else if (value instanceof PickleTuple || value instanceof PickleList) {
        value = value.items[key as number];
      } else value = undefined;
      if (value === undefined) this.#fail(`it has no ${quote(keys.join("."))}`);
    }
    return value!;
  }

  /** A number under these keys. @throws {CheckpointError} it is none */
  number(...keys: (string | number)[]): number {
    const value = this.at(...keys);
    return typeof value === "number"
      ? value
      : this.#fail(`${quote(keys.join("."))} is not a number`);
  }

  /** Numbers of the tuple or list under these keys. @throws {CheckpointError} */
  numbers(...keys: (string | number)[]): number[] {
    const value = this.at(...keys);
    const items = value instanceof PickleTuple || value instanceof PickleList ? value.items : [];
    if (items.length > 0 && items.every((item) => typeof item === "number")) return [...items];
    return this.#fail(`${quote(keys.join("."))} is not a list of numbers`);
  }

  /** Bytes of the contiguous tensor under these keys. @throws {CheckpointError} */
  async tensor(...keys: (string | number)[]): Promise<Uint8Array<ArrayBuffer>> {
    const view = this.at(...keys);
    if (!(view instanceof TorchTensor) || !view.contiguous) {
      return this.#fail(`${quote(keys.join("."))} is not a contiguous tensor`);
    }
    const size = DTYPE_BITS[view.storage.dtype] / 8;
    await this.#container.check(view.storage);
    const bytes = new Uint8Array(elements(view.shape) * size);
    const start = this.#container.offsets.get(view.storage)! + view.offset * size;
    await this.#source.read(start, bytes);
    return bytes;
  }

  /** Closes the file. */
  close(): void {
    this.#source.close();
  }

  #fail(why: string): never {
    throw new CheckpointError(`Cannot read ${quote(this.#source.path)}: ${why}`, {
      file: this.#source.path,
      reason: "NotCheckpoint",
    });
  }
}
