import type { ByteSource } from "../files/byte_source.ts";
import { FileSource } from "../files/file_source.ts";
import { CheckpointError, naming, quote } from "../files/errors.ts";
import { PickleDict, PickleList, PickleTuple, PickleUnread, type PickleValue } from "./pickle.ts";
import { openContainer } from "./pth_container.ts";
import { TorchTensor } from "./torch_pickle.ts";
import { ViewReader } from "./view_reader.ts";

/**
 * A file of torch.save with more than named tensors, such as the state of an optimiser or of random
 * generators. Its values are found by key; tensors are read on demand. Nothing in it is executed;
 * values that torch.load(weights_only=True) would refuse are marks (`PickleUnread`).
 */
export class TorchValues {
  /** The saved value. */
  readonly value: PickleValue;
  readonly #source: ByteSource;
  readonly #reader: ViewReader;

  private constructor(source: ByteSource, value: PickleValue, reader: ViewReader) {
    this.value = value;
    this.#source = source;
    this.#reader = reader;
  }

  /**
   * @throws {CheckpointError} not a checkpoint, malformed, or it asks for more than plain values
   */
  static async open(path: string): Promise<TorchValues> {
    return await FileSource.openFor(path, TorchValues.from);
  }

  /** The same from any source of bytes. @throws {CheckpointError} */
  static async from(source: ByteSource): Promise<TorchValues> {
    try {
      const container = await openContainer(source);
      return new TorchValues(source, container.value, new ViewReader(source, container));
    } catch (error) {
      throw naming(source.path, error);
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

  /** Numbers of the tuple or list under these keys. @throws {CheckpointError} */
  numbers(...keys: (string | number)[]): number[] {
    const value = this.at(...keys);
    const items = value instanceof PickleTuple || value instanceof PickleList ? value.items : [];
    if (items.length > 0 && items.every((item) => typeof item === "number")) return [...items];
    return this.#fail(`${quote(keys.join("."))} is not a list of numbers`);
  }

  /** Bytes of the tensor under these keys, row-major. @throws {CheckpointError} */
  async tensor(...keys: (string | number)[]): Promise<Uint8Array<ArrayBuffer>> {
    const view = this.at(...keys);
    if (!(view instanceof TorchTensor)) {
      const why = view instanceof PickleUnread ? `: it asks for ${quote(view.name)}` : "";
      return this.#fail(`${quote(keys.join("."))} is not a tensor${why}`);
    }
    return await this.read(view);
  }

  /** Bytes of a tensor that is somewhere in the value, row-major. @throws {CheckpointError} */
  async read(view: TorchTensor): Promise<Uint8Array<ArrayBuffer>> {
    const info = this.#reader.locate("", view);
    const bytes = new Uint8Array(info.bytes);
    await this.#reader.readRange(info, view, [0, info.bytes], bytes);
    return bytes;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#source.close();
  }

  #fail(why: string): never {
    throw new CheckpointError(`Cannot read ${quote(this.#source.path)}: ${why}`, {
      file: this.#source.path,
      reason: "NotCheckpoint",
    });
  }
}
