/** Interprets the pickle inside a PyTorch checkpoint: storages and the tensors on them. */
import { quote, shapeText } from "../files/errors.ts";
import {
  badPickle,
  failPickle,
  PickleDict,
  PickleGlobal,
  PickleList,
  type PickleNames,
  PickleObject,
  PickleTuple,
  PickleUnread,
  type PickleValue,
} from "./pickle.ts";
import { type Dtype, DTYPE_BITS } from "./tensor_file.ts";

/** A block of values in the checkpoint; tensors are views on it. */
export class TorchStorage extends PickleObject {
  /** @param elements number of values */
  constructor(readonly key: string, readonly type: StorageType, readonly elements: number) {
    super();
  }

  /** Length of its values. */
  get bytes(): number {
    return this.elements * this.type.size;
  }
}

/** A view on a storage. Offset and strides count values. */
export class TorchTensor extends PickleObject {
  constructor(
    readonly storage: TorchStorage,
    readonly dtype: Dtype,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    super();
  }

  /** Whether its values are contiguous, the last axis fastest. */
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

/** A type of storage. Without a dtype its values are not read, but their size is known. */
class StorageType extends PickleGlobal {
  /** @param size bytes per value */
  constructor(name: string, readonly dtype: Dtype | undefined, readonly size: number) {
    super(`torch.${name}`);
  }
}

/** Source: torch/storage.py `_dtype_to_storage_type_map`, and sizes of quantized values. */
const STORAGE_TYPES = [
  new StorageType("DoubleStorage", "F64", 8),
  new StorageType("FloatStorage", "F32", 4),
  new StorageType("HalfStorage", "F16", 2),
  new StorageType("BFloat16Storage", "BF16", 2),
  new StorageType("LongStorage", "I64", 8),
  new StorageType("IntStorage", "I32", 4),
  new StorageType("ShortStorage", "I16", 2),
  new StorageType("CharStorage", "I8", 1),
  new StorageType("ByteStorage", "U8", 1),
  new StorageType("BoolStorage", "BOOL", 1),
  new StorageType("ComplexFloatStorage", "C64", 8),
  new StorageType("ComplexDoubleStorage", undefined, 16),
  new StorageType("QInt8Storage", undefined, 1),
  new StorageType("QUInt8Storage", undefined, 1),
  new StorageType("QInt32Storage", undefined, 4),
  new StorageType("QUInt4x2Storage", undefined, 1),
  new StorageType("QUInt2x4Storage", undefined, 1),
];

/** Bytes; the tensors on it (`_rebuild_tensor_v3`) have their own dtype. */
const UNTYPED = new StorageType("storage.UntypedStorage", undefined, 1);

class DtypeName extends PickleGlobal {
  constructor(name: string, readonly dtype: Dtype) {
    super(`torch.${name}`);
  }
}

/** Dtypes that have no type of storage. Source: torch/storage.py `_new_dtypes`. */
const NEW_DTYPES = [
  new DtypeName("float8_e5m2", "F8_E5M2"),
  new DtypeName("float8_e4m3fn", "F8_E4M3"),
  new DtypeName("float8_e5m2fnuz", "F8_E5M2FNUZ"),
  new DtypeName("float8_e4m3fnuz", "F8_E4M3FNUZ"),
  new DtypeName("float8_e8m0fnu", "F8_E8M0"),
  new DtypeName("uint16", "U16"),
  new DtypeName("uint32", "U32"),
  new DtypeName("uint64", "U64"),
];

/** As many axes as PyTorch allows. */
const MOST_AXES = 64;

type Make = (args: readonly PickleValue[]) => PickleValue;

/**
 * Names that torch.load(weights_only=True) allows and tensors or plain values need. Any other name
 * is only marked. Source: torch/_weights_only_unpickler.py `_get_allowed_globals`.
 */
const FUNCTIONS: readonly (readonly [module: string, name: string, make?: Make])[] = [
  ["collections", "OrderedDict", makeOrderedDict],
  ["collections", "Counter", makeCounter],
  ["torch", "Size", makeSize],
  ["torch", "Tensor"],
  ["torch.nn.parameter", "Parameter", makeParameter],
  ["torch._utils", "_rebuild_tensor", makeTensor],
  ["torch._utils", "_rebuild_tensor_v2", makeTensor],
  ["torch._utils", "_rebuild_tensor_v3", makeTensorOfBytes],
  ["torch._utils", "_rebuild_parameter", makeParameter],
  ["torch._utils", "_rebuild_parameter_with_state", makeParameter],
  ["torch._tensor", "_rebuild_from_type_v2", makeFromType],
  ["_codecs", "encode", makeBytes],
  ["builtins", "bytearray", makeBytes],
  ["__builtin__", "bytearray", makeBytes],
  ["__builtin__", "bytes", makeBytes],
];

const GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map([
  ...[...STORAGE_TYPES, ...NEW_DTYPES].map((type): [string, PickleGlobal] => [
    type.name.replace(".", " "),
    type,
  ]),
  ["torch.storage UntypedStorage", UNTYPED],
  ...FUNCTIONS.map(([module, name, make]): [string, PickleGlobal] => [
    `${module} ${name}`,
    new PickleGlobal(`${module}.${name}`, make),
  ]),
]);

/**
 * Names for one checkpoint.
 * @param storages filled with each storage the pickle names, by key
 * @param idItems 5 in the zip format, 6 in the legacy one
 */
export function torchNames(storages: Map<string, TorchStorage>, idItems: 5 | 6): PickleNames {
  return {
    globals: GLOBALS,
    marksUnknown: true,
    persistent: (id) => makeStorage(id, storages, idItems),
  };
}

/** ("storage", type, key, device, number of values[, view of a view: none since PyTorch 0.4]) */
function makeStorage(
  id: PickleValue,
  storages: Map<string, TorchStorage>,
  idItems: number,
): PickleObject {
  const items = id instanceof PickleTuple ? id.items : [];
  const [tag, type, key, device, elements, view] = items;
  if (type instanceof PickleUnread) return type;
  const sound = items.length === idItems && tag === "storage" && type instanceof StorageType &&
    typeof key === "string" && typeof device === "string" && (view ?? null) === null;
  if (!sound) badStorage("describes a storage in an unknown way");
  const count = natural(elements, `values of storage ${quote(key)}`);
  if (!Number.isSafeInteger(count * 16)) {
    failPickle("BadStorage", `storage ${quote(key)} would have ${count} values`);
  }
  const known = storages.get(key);
  if (known && (known.type !== type || known.elements !== count)) {
    badStorage(`describes storage ${quote(key)} in two ways`);
  }
  const storage = known ?? new TorchStorage(key, type, count);
  storages.set(key, storage);
  return storage;
}

/** OrderedDict(), whose items follow; Python 2 gives them: OrderedDict([[name, value], ...]). */
function makeOrderedDict(args: readonly PickleValue[]): PickleDict {
  const made = new PickleDict(true);
  const [list = new PickleList()] = args;
  const unknown = (): never => badPickle("makes an OrderedDict in an unknown way");
  if (args.length > 1 || !(list instanceof PickleList)) return unknown();
  for (const pair of list.items) {
    const items = pair instanceof PickleList || pair instanceof PickleTuple ? pair.items : [];
    const [name, value] = items;
    const sound = items.length === 2 && typeof name === "string" && !made.entries.has(name);
    if (!sound) return unknown();
    made.entries.set(name, value!);
  }
  return made;
}

function makeSize(args: readonly PickleValue[]): PickleTuple {
  const [sizes] = args;
  if (args.length !== 1 || !(sizes instanceof PickleTuple)) {
    badPickle("makes a torch.Size in an unknown way");
  }
  return sizes;
}

/** Counter(dict); stays a dict. */
function makeCounter(args: readonly PickleValue[]): PickleDict {
  const [counts = new PickleDict()] = args;
  if (args.length > 1 || !(counts instanceof PickleDict)) {
    badPickle("makes a Counter in an unknown way");
  }
  return counts;
}

/** Bytes are pickled as text, a character per byte: (text, "latin1"). bytearray() takes it too. */
function makeBytes(args: readonly PickleValue[]): Uint8Array {
  const [text = "", encoding = "latin1"] = args;
  if (text instanceof Uint8Array && args.length === 1) return text;
  const plain = typeof text === "string" && args.length <= 2 && typeof encoding === "string" &&
    /^latin-?1$/.test(encoding);
  // deno-lint-ignore no-control-regex
  if (!plain || /[^\u0000-\u00ff]/.test(text)) badPickle("makes bytes in an unknown way");
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** (storage, offset, shape, strides[, requires_grad, hooks[, metadata]]) */
function makeTensor(args: readonly PickleValue[]): PickleObject {
  if (args[0] instanceof PickleUnread) return args[0];
  const [storage, offset, shape, strides, , , metadata] = args;
  const sound = storage instanceof TorchStorage && args.length >= 4 && args.length <= 7;
  if (!sound) badStorage("makes a tensor in an unknown way");
  const { dtype, name } = storage.type;
  const view = makeView(storage, dtype, [offset, shape, strides]);
  if (!isPlain(metadata)) return new PickleUnread("torch.Tensor with a conjugate or negative bit");
  return view ?? new PickleUnread(name);
}

/** (storage of bytes, offset, shape, strides, requires_grad, hooks, dtype[, metadata]) */
function makeTensorOfBytes(args: readonly PickleValue[]): PickleObject {
  if (args[0] instanceof PickleUnread) return args[0];
  const [storage, offset, shape, strides, , , type, metadata] = args;
  const sound = storage instanceof TorchStorage && args.length >= 7 && args.length <= 8;
  if (!sound) badStorage("makes a tensor in an unknown way");
  if (type instanceof PickleUnread) return type;
  if (!(type instanceof DtypeName)) badStorage("makes a tensor in an unknown way");
  const view = makeView(storage, type.dtype, [offset, shape, strides]);
  return view && isPlain(metadata) ? view : new PickleUnread(type.name);
}

/** A checked view; undefined if values of such a storage are not read. */
function makeView(
  storage: TorchStorage,
  dtype: Dtype | undefined,
  [offset, shape, strides]: readonly (PickleValue | undefined)[],
): TorchTensor | undefined {
  if (dtype === undefined) return undefined;
  const tensor = new TorchTensor(
    storage,
    dtype,
    natural(offset, "offset of a tensor"),
    naturals(shape, "shape of a tensor"),
    naturals(strides, "strides of a tensor"),
  );
  checkInside(tensor);
  return tensor;
}

function isPlain(metadata: PickleValue | undefined): boolean {
  return (metadata ?? null) === null ||
    (metadata instanceof PickleDict && metadata.entries.size === 0);
}

/** (tensor[, requires_grad[, hooks[, attributes]]]) */
function makeParameter(args: readonly PickleValue[]): PickleObject {
  const [tensor] = args;
  if (args.length > 4 || !isTensor(tensor)) badStorage("makes a parameter in an unknown way");
  return tensor;
}

/** (function, type, its arguments, attributes): a tensor of a subclass, or one with attributes */
function makeFromType(args: readonly PickleValue[]): PickleObject {
  const [make, type, inner] = args;
  if (args.length !== 4 || !(inner instanceof PickleTuple)) {
    badStorage("makes a tensor in an unknown way");
  }
  for (const name of [make, type]) if (name instanceof PickleUnread) return name;
  const tensor = make instanceof PickleGlobal && TENSOR_MAKERS.has(make.make)
    ? make.make?.(inner.items)
    : undefined;
  if (!isTensor(tensor)) badStorage("makes a tensor in an unknown way");
  return tensor;
}

const TENSOR_MAKERS = new Set<Make | undefined>([makeTensor, makeTensorOfBytes, makeParameter]);

function isTensor(value: PickleValue | undefined): value is TorchTensor | PickleUnread {
  return value instanceof TorchTensor || value instanceof PickleUnread;
}

/**
 * Every value must be inside the storage, and there may not be more values than the storage has: a
 * stride of 0 would turn four bytes into gigabytes.
 */
function checkInside({ storage, dtype, offset, shape, strides }: TorchTensor): void {
  const what = `a tensor ${shapeText(shape)} with strides ${shapeText(strides)} at ${offset}`;
  if (shape.length !== strides.length) badStorage(`has ${what}`);
  const available = storage.bytes / (DTYPE_BITS[dtype] / 8);
  const empty = shape.includes(0);
  let count = 1;
  let last = offset;
  for (const [axis, size] of shape.entries()) {
    // The product of the other sizes of an empty tensor may be infinite, and 0 times that NaN.
    count = empty ? 0 : count * size;
    last += Math.max(0, size - 1) * strides[axis]!;
  }
  const inside = empty ? offset <= available : last < available && count <= available;
  if (!inside) {
    const outside = `outside its storage of ${storage.bytes} bytes`;
    badStorage(`has ${what}, ${outside}`);
  }
}

function naturals(value: PickleValue | undefined, what: string): number[] {
  const items = value instanceof PickleTuple ? value.items : undefined;
  if (!items || items.length > MOST_AXES) badStorage(`has no ${what}`);
  return items.map((item) => natural(item, what));
}

function natural(value: PickleValue | undefined, what: string): number {
  const sound = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  if (!sound) badStorage(`has no usable ${what}`);
  return value;
}

/** Throws that a storage or a tensor is malformed. @param what the pickle does */
function badStorage(what: string): never {
  failPickle("BadStorage", `its pickle ${what}`);
}
