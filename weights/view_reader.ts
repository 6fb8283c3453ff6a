import type { ByteSource } from "../files/byte_source.ts";
import { CheckpointError, naming, quote } from "../files/errors.ts";
import type { PthContainer } from "./pth_container.ts";
import { checkRange, DTYPE_BITS, elements, type TensorInfo } from "./tensor_file.ts";
import type { TorchStorage, TorchTensor } from "./torch_pickle.ts";

/** The bytes spanned by a strided view are held in memory, up to this limit. */
const LARGEST_VIEW = 256 * 1024 * 1024;

/** Reads the values of views on a checkpoint's storages, contiguous or strided. */
export class ViewReader {
  readonly #source: ByteSource;
  readonly #container: PthContainer;
  readonly #checked = new Map<TorchStorage, Promise<void>>();
  #reached: { view: TorchTensor; bytes: Uint8Array } | undefined;

  /** @param source where the container was read from */
  constructor(source: ByteSource, container: PthContainer) {
    this.#source = source;
    this.#container = container;
  }

  /** Offset of a view's values in the file, and their length in bytes. */
  locate(name: string, view: TorchTensor): TensorInfo {
    const { dtype, shape, offset, storage } = view;
    const size = DTYPE_BITS[dtype] / 8;
    const start = this.#container.offsets.get(storage)!;
    return { name, dtype, shape, offset: start + offset * size, bytes: elements(shape) * size };
  }

  /** `bytes` bytes of a view's values from `start` on, row-major. @throws {CheckpointError} */
  async readRange(
    info: TensorInfo,
    view: TorchTensor,
    [start, bytes]: readonly [start: number, bytes: number],
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const target = checkRange(info, start, bytes, into);
    await this.#check(view.storage);
    if (view.contiguous) await this.#source.read(info.offset + start, target);
    else gather(await this.#reach(info, view), view, DTYPE_BITS[info.dtype] / 8, start, target);
    return target;
  }

  /** Compares the checksum of a storage once, before its first value is returned. */
  async #check(storage: TorchStorage): Promise<void> {
    const pending = this.#checked.get(storage) ?? this.#container.check(storage);
    this.#checked.set(storage, pending);
    try {
      await pending;
    } catch (error) {
      throw naming(this.#source.path, error);
    }
  }

  /** The bytes that a view spans. The last ones are kept: ranges are read one after the other. */
  async #reach(info: TensorInfo, view: TorchTensor): Promise<Uint8Array> {
    if (this.#reached?.view === view) return this.#reached.bytes;
    this.#reached = undefined; // one at a time
    const size = DTYPE_BITS[info.dtype] / 8;
    const reach = view.shape.reduce((sum, n, axis) => sum + (n - 1) * view.strides[axis]!, 0);
    const span = (reach + 1) * size;
    if (span > LARGEST_VIEW) {
      throw new CheckpointError(
        `Cannot read ${quote(info.name)} from ${quote(this.#source.path)}: it is a strided view ` +
          `over ${span} bytes; save it after .contiguous()`,
        { file: this.#source.path, reason: "BadStorage" },
      );
    }
    const bytes = new Uint8Array(span);
    await this.#source.read(info.offset, bytes);
    this.#reached = { view, bytes };
    return bytes;
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
