import { CheckpointError, quote, quoteSome, shapeText } from "../files/errors.ts";
import type { Dtype, TensorFile, TensorInfo } from "./tensor_file.ts";
import { unwrappedNames } from "./wrapped_names.ts";

/** Reads values of a tensor. */
export type TensorReader = Pick<TensorFile, "read" | "readRange">;

/** A tensor in one of the files. */
interface Place {
  readonly file: TensorReader;
  /** As the file has it. */
  readonly stored: TensorInfo;
  /** The same under the model's name. */
  readonly info: TensorInfo;
}

/** State of a checkpoint. */
interface CheckpointState {
  readonly path: string;
  readonly files: readonly { close(): void }[];
  readonly places: ReadonlyMap<string, Place>;
  readonly wrappers: readonly string[];
  /** Tensors of the file that cannot be read, and why. */
  readonly unread: ReadonlyMap<string, string>;
  readonly expected: Set<string>;
  readonly missing: Set<string>;
  readonly misshaped: Map<string, string>;
}

/**
 * Named tensors of one model part, from one file or from shards, read by name. A loader says what
 * it needs with {@linkcode expect}; {@linkcode finish} reports all mismatches at once.
 */
export class Checkpoint {
  readonly #state: CheckpointState;

  private constructor(state: CheckpointState) {
    this.#state = state;
  }

  /** A checkpoint of one open file; closing it closes the file. */
  static from(file: TensorFile, ema = true): Checkpoint {
    return Checkpoint.of(file.path, [file], ema);
  }

  /**
   * A checkpoint of several files; closing it closes them.
   * @param path for messages
   * @param ema whether an averaged copy is preferred, where the names say that there are two
   */
  static of(path: string, files: readonly TensorFile[], ema = true): Checkpoint {
    const all = files.flatMap((file) => [...file.tensors.keys()]);
    const { names, wrappers } = unwrappedNames(all, ema);
    const places = new Map<string, Place>();
    for (const file of files) {
      for (const stored of file.tensors.values()) {
        const name = names.get(stored.name);
        if (name === undefined) continue;
        places.set(name, { file, stored, info: { ...stored, name } });
      }
    }
    const unread = new Map(files.flatMap((file) => [...file.unread ?? []]));
    const expected = new Set<string>();
    const state = { path, files, places, wrappers, unread, expected, missing: new Set<string>() };
    return new Checkpoint({ ...state, misshaped: new Map() });
  }

  /** File or index it was read from. */
  get path(): string {
    return this.#state.path;
  }

  /** Wrappers that were removed from the names in the files, such as `module.` */
  get wrappers(): readonly string[] {
    return this.#state.wrappers;
  }

  /** Names of its tensors. */
  get names(): string[] {
    return [...this.#state.places.keys()];
  }

  /**
   * The same checkpoint with other values of some tensors.
   * @param tensors by full name
   * @param file that they come from; closing the result closes it and this checkpoint's own files
   */
  replace(
    tensors: ReadonlyMap<string, { readonly info: TensorInfo; readonly reader: TensorReader }>,
    file: { close(): void },
  ): Checkpoint {
    const files = [...this.#state.files, file];
    const places = new Map(this.#state.places);
    for (const [name, { info, reader }] of tensors) {
      places.set(name, { file: reader, stored: places.get(name)!.stored, info });
    }
    return new Checkpoint({ ...this.#state, files, places });
  }

  /** Whether it has the tensor. */
  has(name: string): boolean {
    return this.#state.places.has(name);
  }

  /** Info of a tensor. */
  info(name: string): TensorInfo | undefined {
    return this.#state.places.get(name)?.info;
  }

  /** Type of a tensor in its file; what is read may be wider. */
  storedDtype(name: string): Dtype | undefined {
    return this.#state.places.get(name)?.stored.dtype;
  }

  /**
   * Declares that the model needs a tensor. A missing or misshaped one is recorded for {@linkcode
   * finish}; the result then has the right shape and cannot be read.
   */
  expect(name: string, shape: readonly number[]): TensorInfo {
    this.#state.expected.add(name);
    const info = this.info(name);
    if (!info) this.#state.missing.add(name);
    else if (sameShape(info.shape, shape)) return info;
    else {
      const detail = `${quote(name)} is ${shapeText(info.shape)}, expected ${shapeText(shape)}`;
      this.#state.misshaped.set(name, detail);
    }
    return { name, dtype: "F32", shape, offset: -1, bytes: 0 };
  }

  /** Values of a tensor as stored. @throws {CheckpointError} there is no such tensor */
  read(tensor: string | TensorInfo, into?: Uint8Array): Promise<Uint8Array> {
    const { file, stored } = this.#place(tensor);
    return file.read(stored, into);
  }

  /** A range in bytes of a tensor's values. @throws {CheckpointError} there is no such tensor */
  readRange(
    tensor: string | TensorInfo,
    start: number,
    bytes: number,
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const { file, stored } = this.#place(tensor);
    return file.readRange(stored, start, bytes, into);
  }

  /**
   * Ends loading.
   * @param ignore names that may be present but unused
   * @throws {CheckpointError} a single one, with every missing, unexpected and misshaped name
   */
  finish(ignore: (name: string) => boolean = () => false): void {
    const { places, expected, missing, misshaped, unread } = this.#state;
    const unexpected = [...places.keys()].filter((name) => !expected.has(name) && !ignore(name));
    const wrong = { missing: [...missing], unexpected, misshaped: [...misshaped.keys()] };
    const unreadable = wrong.missing.filter((name) => unread.has(name));
    const absent = wrong.missing.filter((name) => !unread.has(name));
    const problems = [
      ...unreadable.slice(0, 3)
        .map((name) => `${quote(name)} cannot be read: ${unread.get(name)}`),
      ...unreadable.length > 3 ? [`${unreadable.length - 3} more cannot be read`] : [],
      describe(absent, unexpected, [...misshaped.values()]),
    ].filter((problem) => problem !== "").join(", ");
    if (problems) {
      throw new CheckpointError(`Cannot load ${quote(this.path)}: ${problems}`, {
        file: this.path,
        reason: "NamesAndShapes",
        ...wrong,
      });
    }
  }

  /** Closes the files. */
  close(): void {
    for (const file of this.#state.files) file.close();
  }

  /** The same, where a scope ends. */
  [Symbol.dispose](): void {
    this.close();
  }

  #place(tensor: string | TensorInfo): Place {
    const name = typeof tensor === "string" ? tensor : tensor.name;
    const place = this.#state.places.get(name);
    const usable = place && (typeof tensor === "string" || tensor.offset === place.info.offset);
    if (usable) return place;
    const misshaped = this.#state.misshaped.get(name);
    throw new CheckpointError(
      misshaped
        ? `Cannot read from ${quote(this.path)}: ${misshaped}`
        : `Cannot read ${quote(name)} from ${quote(this.path)}: no such tensor`,
      {
        file: this.path,
        reason: "NamesAndShapes",
        ...(misshaped ? { misshaped: [name] } : { missing: [name] }),
      },
    );
  }
}

/** Whether it is a batch norm's count of training steps, which nothing uses. */
export function isBatchCount(name: string): boolean {
  return name.endsWith(".num_batches_tracked");
}

/** One line about names that do not fit; empty if all do. */
export function describe(
  missing: readonly string[],
  unexpected: readonly string[],
  misshaped: readonly string[],
): string {
  const parts: string[] = [];
  if (missing.length) parts.push(`${missing.length} missing (${quoteSome(missing)})`);
  if (unexpected.length) parts.push(`${unexpected.length} unexpected (${quoteSome(unexpected)})`);
  if (misshaped.length) {
    const more = misshaped.length > 3 ? ` and ${misshaped.length - 3} more` : "";
    parts.push(`${misshaped.length} of another shape (${misshaped.slice(0, 3).join("; ")}${more})`);
  }
  return parts.join(", ");
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
