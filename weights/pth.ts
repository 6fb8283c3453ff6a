import { type ByteSource, FileSource } from "../files/byte_source.ts";
import { CheckpointError, naming, quote } from "../files/errors.ts";
import { openContainer, type PthContainer } from "./pth_container.ts";
import { chooseStateDict, collectStateDicts, type StateDictChoice } from "./state_dict.ts";
import {
  checkRange,
  DTYPE_BITS,
  elements,
  type TensorFile,
  type TensorInfo,
} from "./tensor_file.ts";
import type { TorchStorage, TorchTensor } from "./torch_pickle.ts";

/** Where a view isn't contiguous, all it reaches over is held in memory; no larger one is. */
const LARGEST_VIEW = 256 * 1024 * 1024;
/** Tied weights share a storage; more names on it than this are a bomb. */
const MOST_SHARING = 8;

/**
 * A checkpoint as torch.save writes it, in the zip or the legacy format: the names and shapes of
 * its state dict are read at once, tensor data by range. Nothing in it is executed.
 */
export class PthFile implements TensorFile {
  /** Of the file. */
  readonly path: string;
  /** Empty: the format has none. */
  readonly metadata: ReadonlyMap<string, string> = new Map();
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Which of torch.save's formats it is in. */
  readonly format: "zip" | "legacy";
  /** Keys that led to the state dict, joined by points; empty if it is the whole file. */
  readonly stateDict: string;
  /** Every state dict there is. */
  readonly stateDicts: readonly string[];
  /** Keys beside the tensors that hold something else, such as an epoch. */
  readonly others: readonly string[];
  readonly #source: ByteSource;
  readonly #container: PthContainer;
  readonly #views: ReadonlyMap<TensorInfo, TorchTensor>;
  readonly #checked = new Map<TorchStorage, Promise<void>>();
  #reached: { info: TensorInfo; bytes: Uint8Array } | undefined;

  private constructor(source: ByteSource, container: PthContainer, choice: StateDictChoice) {
    this.path = source.path;
    const dicts = collectStateDicts(container.value);
    const chosen = chooseStateDict(dicts, choice);
    this.format = container.format;
    this.stateDict = chosen.path;
    this.stateDicts = dicts.map(({ path }) => path);
    this.others = chosen.others;
    const views = new Map<TensorInfo, TorchTensor>();
    for (const [name, view] of chosen.tensors) {
      views.set(locate(name, view, container.offsets.get(view.storage)!), view);
    }
    checkSharing([...views]);
    this.#views = views;
    this.tensors = new Map([...views.keys()].map((info) => [info.name, info]));
    this.#source = source;
    this.#container = container;
  }

  /**
   * Opens a .pth, .pt, .bin or .ckpt file.
   * @param choice which state dict is meant, where there are several
   * @throws {CheckpointError} no checkpoint, malformed, or it asks for anything but tensors
   */
  static async open(path: string, choice: StateDictChoice = {}): Promise<PthFile> {
    const source = await FileSource.open(path);
    try {
      return await PthFile.from(source, choice);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** Reads a checkpoint from any source of bytes. @throws {CheckpointError} */
  static async from(source: ByteSource, choice: StateDictChoice = {}): Promise<PthFile> {
    try {
      return new PthFile(source, await openContainer(source), choice);
    } catch (error) {
      throw naming(source.path, error);
    }
  }

  read(info: TensorInfo, into?: Uint8Array): Promise<Uint8Array> {
    return this.readRange(info, 0, info.bytes, into);
  }

  async readRange(
    info: TensorInfo,
    start: number,
    bytes: number,
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const view = this.#views.get(info);
    if (!view) throw new RangeError(`Cannot read ${quote(info.name)}: it is of another file`);
    const target = checkRange(info, start, bytes, into);
    await this.#check(view.storage);
    if (view.contiguous) await this.#source.read(info.offset + start, target);
    else gather(await this.#reach(info, view), view, DTYPE_BITS[info.dtype] / 8, start, target);
    return target;
  }

  /** Closes the file. */
  close(): void {
    this.#source.close();
  }

  /** The checksum of a storage is compared once, before the first value of it is given out. */
  async #check(storage: TorchStorage): Promise<void> {
    const pending = this.#checked.get(storage) ?? this.#container.check(storage);
    this.#checked.set(storage, pending);
    try {
      await pending;
    } catch (error) {
      throw naming(this.path, error);
    }
  }

  /** The bytes a view reaches over. The last are kept: ranges come one after the other. */
  async #reach(info: TensorInfo, view: TorchTensor): Promise<Uint8Array> {
    if (this.#reached?.info === info) return this.#reached.bytes;
    this.#reached = undefined; // one at a time
    const size = DTYPE_BITS[info.dtype] / 8;
    const reach = view.shape.reduce((sum, n, axis) => sum + (n - 1) * view.strides[axis]!, 0);
    const span = (reach + 1) * size;
    if (span > LARGEST_VIEW) {
      throw new CheckpointError(
        `Cannot read ${quote(info.name)} from ${quote(this.path)}: it is a view with gaps over ` +
          `${span} bytes; save it after .contiguous()`,
        { file: this.path, reason: "BadStorage" },
      );
    }
    const bytes = new Uint8Array(span);
    await this.#source.read(info.offset, bytes);
    this.#reached = { info, bytes };
    return bytes;
  }
}

function locate(name: string, view: TorchTensor, storageOffset: number): TensorInfo {
  const { dtype } = view.storage;
  const size = DTYPE_BITS[dtype] / 8;
  return {
    name,
    dtype,
    shape: view.shape,
    offset: storageOffset + view.offset * size,
    bytes: elements(view.shape) * size,
  };
}

/** @throws {CheckpointError} the tensors are many times larger than what they are views of */
function checkSharing(views: readonly (readonly [TensorInfo, TorchTensor])[]): void {
  const stored = new Set(views.map(([, { storage }]) => storage));
  let available = 0;
  for (const { elements, dtype } of stored) available += elements * DTYPE_BITS[dtype] / 8;
  const named = views.reduce((sum, [{ bytes }]) => sum + bytes, 0);
  if (named > MOST_SHARING * available) {
    throw new CheckpointError(
      `its tensors are views that make ${named} bytes out of ${available}`,
      { reason: "BadStorage" },
    );
  }
}

/** Fills `into` with the bytes from `start` on of a strided view's values, one after the other. */
function gather(
  raw: Uint8Array,
  { shape, strides }: TorchTensor,
  size: number,
  start: number,
  into: Uint8Array,
): void {
  const index = shape.map(() => 0);
  let from = 0; // of the value at `index`, in values
  for (let axis = shape.length - 1, rest = Math.floor(start / size); axis >= 0; axis--) {
    index[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
    from += index[axis]! * strides[axis]!;
  }
  for (let to = 0, b = start % size; to < into.length; b = 0) {
    for (; b < size && to < into.length; b++) into[to++] = raw[from * size + b]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
}
