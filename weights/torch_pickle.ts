/** What the pickle inside a PyTorch checkpoint means: its storages and the tensors on them. */
import { quote, shapeText } from "../files/errors.ts";
import {
  failPickle,
  PickleDict,
  PickleGlobal,
  type PickleNames,
  PickleObject,
  PickleOpaque,
  PickleTuple,
  type PickleValue,
} from "./pickle.ts";
import { type Dtype, DTYPE_BITS } from "./tensor_file.ts";

/** A run of values in the checkpoint, on which tensors are views. */
export class TorchStorage extends PickleObject {
  readonly key: string;
  readonly dtype: Dtype;
  /** Number of values. */
  readonly elements: number;

  constructor(key: string, dtype: Dtype, elements: number) {
    super();
    this.key = key;
    this.dtype = dtype;
    this.elements = elements;
  }
}

/** A view on a storage. Offset and strides count values. */
export class TorchTensor extends PickleObject {
  readonly storage: TorchStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(
    storage: TorchStorage,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    super();
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }

  /** Whether its values lie one after the other, the last axis fastest. */
  get contiguous(): boolean {
    let expected = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      if (this.shape[axis] === 0) return true;
      if (this.shape[axis] !== 1 && this.strides[axis] !== expected) return false;
      expected *= this.shape[axis]!;
    }
    return true;
  }
}

const STORAGE_DTYPES: readonly (readonly [string, Dtype])[] = [
  ["DoubleStorage", "F64"],
  ["FloatStorage", "F32"],
  ["HalfStorage", "F16"],
  ["BFloat16Storage", "BF16"],
  ["LongStorage", "I64"],
  ["IntStorage", "I32"],
  ["ShortStorage", "I16"],
  ["CharStorage", "I8"],
  ["ByteStorage", "U8"],
  ["BoolStorage", "BOOL"],
];

/** As many axes as PyTorch allows. */
const MOST_AXES = 64;

class StorageType extends PickleGlobal {
  readonly dtype: Dtype;
  constructor(name: string, dtype: Dtype) {
    super(`torch.${name}`);
    this.dtype = dtype;
  }
}

/** The names a state dict needs; whatever else a pickle asks for is refused. */
const GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map([
  ...STORAGE_DTYPES.map(([name, dtype]): [string, PickleGlobal] => [
    `torch ${name}`,
    new StorageType(name, dtype),
  ]),
  ["collections OrderedDict", new PickleGlobal("collections.OrderedDict", makeOrderedDict)],
  ["torch Size", new PickleGlobal("torch.Size", makeSize)],
  [
    "torch._utils _rebuild_tensor_v2",
    new PickleGlobal("torch._utils._rebuild_tensor_v2", makeTensor),
  ],
  [
    "torch._utils _rebuild_parameter",
    new PickleGlobal("torch._utils._rebuild_parameter", makeParameter),
  ],
]);

/** Numpy's arrays stand in the random states of a trainer; they are passed over. */
const OPAQUE: ReadonlyMap<string, PickleGlobal> = new Map(
  [
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
    "_codecs encode",
  ].map((name) => [name, new PickleGlobal(name, () => new PickleOpaque())]),
);

/**
 * Names for one checkpoint.
 * @param storages filled with each storage the pickle names, by key
 * @param idItems 5 in the zip format, 6 in the legacy one
 * @param opaque whether numpy's arrays may stand beside the tensors, unread
 */
export function torchNames(
  storages: Map<string, TorchStorage>,
  idItems: 5 | 6,
  opaque = false,
): PickleNames {
  const globals = opaque ? new Map([...GLOBALS, ...OPAQUE]) : GLOBALS;
  return { globals, persistent: (id) => makeStorage(id, storages, idItems) };
}

/** ("storage", type, key, device, number of values[, view of a view: none since PyTorch 0.4]) */
function makeStorage(
  id: PickleValue,
  storages: Map<string, TorchStorage>,
  idItems: number,
): TorchStorage {
  const items = id instanceof PickleTuple ? id.items : [];
  const [tag, type, key, device, elements, view] = items;
  const sound = items.length === idItems && tag === "storage" && type instanceof StorageType &&
    typeof key === "string" && typeof device === "string" && (view ?? null) === null;
  if (!sound) failPickle("BadStorage", "its pickle describes a storage in an unknown way");
  const count = natural(elements, `values of storage ${quote(key)}`);
  if (!Number.isSafeInteger(count * 8)) {
    failPickle("BadStorage", `storage ${quote(key)} would have ${count} values`);
  }
  const known = storages.get(key);
  if (known && (known.dtype !== type.dtype || known.elements !== count)) {
    failPickle("BadStorage", `its pickle describes storage ${quote(key)} in two ways`);
  }
  const storage = known ?? new TorchStorage(key, type.dtype, count);
  storages.set(key, storage);
  return storage;
}

function makeOrderedDict(args: readonly PickleValue[]): PickleDict {
  if (args.length) failPickle("BadPickle", "its pickle makes an OrderedDict in an unknown way");
  return new PickleDict(true);
}

function makeSize(args: readonly PickleValue[]): PickleTuple {
  const [sizes] = args;
  if (args.length !== 1 || !(sizes instanceof PickleTuple)) {
    failPickle("BadPickle", "its pickle makes a torch.Size in an unknown way");
  }
  return sizes;
}

/** (storage, offset, shape, strides, requires_grad, hooks[, metadata]) */
function makeTensor(args: readonly PickleValue[]): TorchTensor {
  const [storage, offset, shape, strides, , , metadata] = args;
  const plain = (metadata ?? null) === null ||
    (metadata instanceof PickleDict && metadata.entries.size === 0);
  if (!(storage instanceof TorchStorage) || args.length < 6 || args.length > 7 || !plain) {
    failPickle("BadStorage", "its pickle makes a tensor in an unknown way");
  }
  const tensor = new TorchTensor(
    storage,
    natural(offset, "offset of a tensor"),
    naturals(shape, "shape of a tensor"),
    naturals(strides, "strides of a tensor"),
  );
  checkInside(tensor);
  return tensor;
}

/** (tensor, requires_grad, hooks) */
function makeParameter(args: readonly PickleValue[]): TorchTensor {
  const [tensor] = args;
  if (args.length !== 3 || !(tensor instanceof TorchTensor)) {
    failPickle("BadStorage", "its pickle makes a parameter in an unknown way");
  }
  return tensor;
}

/**
 * Every value must lie in the storage, and there may be no more of them than the storage has: a
 * stride of 0 would make gigabytes out of four bytes.
 */
function checkInside({ storage, offset, shape, strides }: TorchTensor): void {
  const what = `a tensor ${shapeText(shape)} with strides ${shapeText(strides)} at ${offset}`;
  if (shape.length !== strides.length) failPickle("BadStorage", `its pickle has ${what}`);
  let count = 1;
  let last = offset;
  for (const [axis, size] of shape.entries()) {
    count *= size;
    last += Math.max(0, size - 1) * strides[axis]!;
  }
  const empty = shape.includes(0);
  const inside = empty ? offset <= storage.elements : last < storage.elements;
  if (!inside || (!empty && count > storage.elements)) {
    const bytes = storage.elements * DTYPE_BITS[storage.dtype] / 8;
    failPickle("BadStorage", `its pickle has ${what}, outside its storage of ${bytes} bytes`);
  }
}

function naturals(value: PickleValue | undefined, what: string): number[] {
  const items = value instanceof PickleTuple ? value.items : undefined;
  if (!items || items.length > MOST_AXES) failPickle("BadStorage", `its pickle has no ${what}`);
  return items.map((item) => natural(item, what));
}

function natural(value: PickleValue | undefined, what: string): number {
  const sound = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  if (!sound) failPickle("BadStorage", `its pickle has no usable ${what}`);
  return value;
}
