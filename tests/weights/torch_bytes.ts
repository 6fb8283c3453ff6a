// Builds pickles and zip archives byte by byte, sound ones and broken ones.
import { crc32 } from "node:zlib";

const encoder = new TextEncoder();

/** Bytes one after the other; numbers are single bytes, texts are ASCII. */
export function bytes(...parts: (number | string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number"
        ? [part]
        : [...typeof part === "string" ? encoder.encode(part) : part]
    ),
  );
}

/** An integer of `size` bytes, little-endian. */
export function le(value: number | bigint, size: number): Uint8Array {
  const wide = new Uint8Array(8);
  new DataView(wide.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return wide.slice(0, size);
}

/** BINUNICODE */
export const text = (value: string) => bytes("X", le(encoder.encode(value).length, 4), value);
/** BININT or LONG1 */
export const int = (value: number | bigint) =>
  value >= -(2 ** 31) && value < 2 ** 31 ? bytes("J", le(value, 4)) : bytes(0x8a, 8, le(value, 8));
export const global = (module: string, name: string) => bytes("c", module, "\n", name, "\n");
export const tuple = (...items: Uint8Array[]) => bytes("(", ...items, "t");
export const dict = (...items: Uint8Array[]) => bytes("}(", ...items, "u");
export const call = (callee: Uint8Array, ...args: Uint8Array[]) =>
  bytes(callee, tuple(...args), "R");
/** A whole pickle of protocol 2. */
export const pickle = (...parts: (number | string | Uint8Array)[]) => bytes(0x80, 2, ...parts, ".");

export interface TensorParts {
  key?: string;
  type?: string;
  elements?: number | bigint;
  offset?: number | bigint;
  shape?: (number | bigint)[];
  strides?: (number | bigint)[];
  legacy?: boolean;
}

/** A tensor as torch.save pickles it; by default 2 floats in storage 0. */
export function tensor(parts: TensorParts = {}): Uint8Array {
  const { key = "0", type = "FloatStorage", elements = 2, offset = 0 } = parts;
  const { shape = [2], strides = [1], legacy = false } = parts;
  const id = tuple(
    text("storage"),
    global("torch", type),
    text(key),
    text("cpu"),
    int(elements),
    ...legacy ? [bytes("N")] : [],
  );
  return call(
    global("torch._utils", "_rebuild_tensor_v2"),
    bytes(id, "Q"),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    bytes(0x89),
    call(global("collections", "OrderedDict")),
  );
}

/** One file for {@linkcode zip}; fields are written as given even where they lie. */
export interface ZipParts {
  name: string;
  data: Uint8Array;
  method?: number;
  flags?: number;
  crc?: number;
  size?: number;
  packed?: number;
  header?: number;
  disk?: number;
  localName?: string;
  localFlags?: number;
  localMethod?: number;
  localCrc?: number;
  localSize?: number;
  /** true: sizes follow the data, as torch writes them. */
  descriptor?: boolean | Uint8Array;
  extra?: Uint8Array;
  localExtra?: Uint8Array;
  /** Bytes put before the local header. */
  before?: Uint8Array;
}

export interface ZipEnd {
  count?: number;
  size?: number;
  offset?: number;
  comment?: string;
  zip64?: boolean;
  /** Bytes of the zip64 record and locator, in place of the right ones. */
  end64?: Uint8Array;
  after?: Uint8Array;
}

/** A zip archive of stored files. */
export function zip(files: ZipParts[], end: ZipEnd = {}): Uint8Array<ArrayBuffer> {
  const locals: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const file of files) {
    at += file.before?.length ?? 0;
    const local = localFile(file);
    central.push(centralHeader(file, file.header ?? at));
    locals.push(bytes(file.before ?? "", local));
    at += local.length;
  }
  const directory = bytes(...central);
  const count = end.count ?? files.length;
  const size = end.size ?? directory.length;
  const offset = end.offset ?? at;
  const record64 = bytes("PK\x06\x06", le(44, 8), le(0x031e, 2), le(45, 2), le(0, 8));
  const end64 = end.end64 ?? bytes(
    record64,
    le(count, 8),
    le(count, 8),
    le(size, 8),
    le(offset, 8),
    "PK\x06\x07",
    le(0, 4),
    le(at + directory.length, 8),
    le(1, 4),
  );
  const comment = end.comment ?? "";
  return bytes(
    ...locals,
    directory,
    end.zip64 || end.end64 ? end64 : "",
    "PK\x05\x06",
    le(0, 4),
    le(count, 2),
    le(count, 2),
    le(size, 4),
    le(offset, 4),
    le(comment.length, 2),
    comment,
    end.after ?? "",
  );
}

function localFile(file: ZipParts): Uint8Array {
  const { data, descriptor = false } = file;
  const crc = file.localCrc ?? crc32(data);
  const size = file.localSize ?? data.length;
  const name = file.localName ?? file.name;
  const described = descriptor === true
    ? bytes("PK\x07\x08", le(crc, 4), le(size, 4), le(size, 4))
    : descriptor || bytes();
  return bytes(
    "PK\x03\x04",
    le(20, 2),
    le(file.localFlags ?? flagsOf(file), 2),
    le(file.localMethod ?? file.method ?? 0, 2),
    le(0, 4),
    le(descriptor ? 0 : crc, 4),
    le(descriptor ? 0 : size, 4),
    le(descriptor ? 0 : size, 4),
    le(name.length, 2),
    le(file.localExtra?.length ?? 0, 2),
    name,
    file.localExtra ?? "",
    data,
    described,
  );
}

function centralHeader(file: ZipParts, header: number): Uint8Array {
  const size = file.size ?? file.data.length;
  return bytes(
    "PK\x01\x02",
    le(20, 2),
    le(20, 2),
    le(flagsOf(file), 2),
    le(file.method ?? 0, 2),
    le(0, 4),
    le(file.crc ?? crc32(file.data), 4),
    le(file.packed ?? size, 4),
    le(size, 4),
    le(file.name.length, 2),
    le(file.extra?.length ?? 0, 2),
    le(0, 2),
    le(file.disk ?? 0, 2),
    le(0, 2),
    le(0, 4),
    le(header, 4),
    file.name,
    file.extra ?? "",
  );
}

const flagsOf = (file: ZipParts) => file.flags ?? (file.descriptor ? 0x0808 : 0x0800);

/** A checkpoint in the zip format around a pickle; storage 0 holds 2 floats unless given. */
export function pth(
  value: Uint8Array,
  storages: Record<string, Uint8Array> = { 0: new Uint8Array(8) },
): Uint8Array<ArrayBuffer> {
  return zip([
    { name: "x/data.pkl", data: value },
    { name: "x/byteorder", data: bytes("little") },
    ...Object.entries(storages).map(([key, data]) => ({ name: `x/data/${key}`, data })),
    { name: "x/version", data: bytes("3\n") },
  ]);
}

/** A checkpoint in the legacy format. */
export function legacy(
  value: Uint8Array,
  storages: [key: string, elements: number | bigint, data: Uint8Array][] = [
    ["0", 2, new Uint8Array(8)],
  ],
  little = true,
): Uint8Array<ArrayBuffer> {
  const magic = bytes(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19);
  return bytes(
    pickle(magic),
    pickle(int(1001)),
    pickle(dict(text("little_endian"), bytes(little ? 0x88 : 0x89))),
    value,
    pickle("](", ...storages.map(([key]) => text(key)), "e"),
    ...storages.flatMap(([, elements, data]) => [le(elements, 8), data]),
  );
}
