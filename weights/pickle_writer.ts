/** Writes the pickles inside PyTorch checkpoints: protocol 2, plain values and tensors. */
import type { Dtype } from "./tensor_file.ts";

/** A tensor to save, contiguous and little-endian. */
export interface SavedTensor {
  readonly dtype: SavedDtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Types of tensors that can be written. */
export type SavedDtype = Extract<Dtype, "F32" | "F64" | "I64" | "U8">;

/** A tuple; an array is a list. */
export class SavedTuple {
  constructor(readonly items: readonly SavedValue[]) {}
}

/** A whole number that is a float in Python. */
export class SavedFloat {
  constructor(readonly value: number) {}
}

/** A value that can be saved. A Map or an object is a dict; a whole number is an int. */
export type SavedValue =
  | null
  | boolean
  | number
  | string
  | SavedFloat
  | SavedTuple
  | readonly SavedValue[]
  | ReadonlyMap<string | number, SavedValue>
  | { readonly tensor: SavedTensor };

const STORAGE: Record<SavedDtype, string> = {
  F32: "FloatStorage",
  F64: "DoubleStorage",
  I64: "LongStorage",
  U8: "ByteStorage",
};
const BYTES: Record<SavedDtype, number> = { F32: 4, F64: 8, I64: 8, U8: 1 };

/**
 * Pickles a value as torch.save does.
 * @returns the pickle, and the tensors in the order of their storages' keys
 */
export function writePickle(value: SavedValue): { pickle: Uint8Array; tensors: SavedTensor[] } {
  const writer = new Writer();
  writer.bytes(0x80, 2);
  writer.value(value);
  writer.bytes(0x2e);
  return { pickle: writer.finish(), tensors: writer.tensors };
}

class Writer {
  readonly tensors: SavedTensor[] = [];
  #buffer = new Uint8Array(1 << 16);
  #at = 0;

  bytes(...values: number[]): void {
    this.#append(Uint8Array.from(values));
  }

  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#at);
  }

  value(value: SavedValue): void {
    if (value === null) this.bytes(0x4e);
    else if (typeof value === "boolean") this.bytes(value ? 0x88 : 0x89);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value);
    else if (value instanceof SavedFloat) this.#float(value.value);
    else if (value instanceof SavedTuple) this.#tuple(value.items);
    else if (value instanceof Map) this.#dict(value);
    else if (Array.isArray(value)) this.#list(value);
    else this.#tensor((value as { tensor: SavedTensor }).tensor);
  }

  #append(bytes: Uint8Array): void {
    while (this.#at + bytes.length > this.#buffer.length) {
      const larger = new Uint8Array(2 * this.#buffer.length);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.bytes(0x58); // BINUNICODE
    this.#append(new Uint8Array(Uint32Array.of(bytes.length).buffer));
    this.#append(bytes);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) return this.#float(value);
    if (value === (value | 0)) {
      this.bytes(0x4a); // BININT
      this.#append(new Uint8Array(Int32Array.of(value).buffer));
    } else {
      this.bytes(0x8a, 8); // LONG1
      this.#append(new Uint8Array(BigInt64Array.of(BigInt(value)).buffer));
    }
  }

  #float(value: number): void {
    const bytes = new Uint8Array(9);
    bytes[0] = 0x47; // BINFLOAT
    new DataView(bytes.buffer).setFloat64(1, value);
    this.#append(bytes);
  }

  #tuple(items: readonly SavedValue[]): void {
    this.bytes(0x28); // MARK
    for (const item of items) this.value(item);
    this.bytes(0x74); // TUPLE
  }

  #list(items: readonly SavedValue[]): void {
    this.bytes(0x5d, 0x28); // EMPTY_LIST MARK
    for (const item of items) this.value(item);
    this.bytes(0x65); // APPENDS
  }

  #dict(entries: ReadonlyMap<string | number, SavedValue>): void {
    this.bytes(0x7d, 0x28); // EMPTY_DICT MARK
    for (const [key, item] of entries) {
      this.value(key);
      this.value(item);
    }
    this.bytes(0x75); // SETITEMS
  }

  #global(module: string, name: string): void {
    this.#append(new TextEncoder().encode(`c${module}\n${name}\n`));
  }

  /** `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())` */
  #tensor(tensor: SavedTensor): void {
    const { dtype, shape, data } = tensor;
    const key = String(this.tensors.push(tensor) - 1);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    this.#global("torch._utils", "_rebuild_tensor_v2");
    this.bytes(0x28, 0x28); // MARK MARK
    this.value("storage");
    this.#global("torch", STORAGE[dtype]);
    this.value(key);
    this.value("cpu");
    this.value(data.length / BYTES[dtype]);
    this.bytes(0x74, 0x51); // TUPLE BINPERSID
    this.value(0);
    this.#tuple(shape);
    this.#tuple(strides);
    this.value(false);
    this.#global("collections", "OrderedDict");
    this.bytes(0x29, 0x52, 0x74, 0x52); // EMPTY_TUPLE REDUCE TUPLE REDUCE
  }
}
