import { bytesOf, viewOf } from "../files/bytes.ts";
import { MediaError } from "./errors.ts";

/** Supported element types, in numpy's spelling. */
const ELEMENTS = {
  "|b1": Uint8Array,
  "|u1": Uint8Array,
  "|i1": Int8Array,
  "<u2": Uint16Array,
  "<i2": Int16Array,
  "<u4": Uint32Array,
  "<i4": Int32Array,
  "<u8": BigUint64Array,
  "<i8": BigInt64Array,
  "<f2": Float16Array,
  "<f4": Float32Array,
  "<f8": Float64Array,
} as const;

/** @internal An element type: kind and bytes, such as `|u1` or `<f4`. */
export type NpyType = keyof typeof ELEMENTS;

/** @internal Elements of an array, in C order. */
export type NpyData = InstanceType<typeof ELEMENTS[NpyType]>;

/** Contents of a .npy header. */
export interface NpyHeader {
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Offset of the elements, in bytes. */
  readonly offset: number;
  /** Bytes of all elements. */
  readonly bytes: number;
}

/** An array with its shape. */
export interface NpyArray {
  /** Type of its elements, as numpy names it. */
  readonly type: NpyType;
  /** Its axes, slowest first. */
  readonly shape: readonly number[];
  /** Its elements. */
  readonly data: NpyData;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
/** numpy's own limit for untrusted files. */
const LONGEST_HEADER = 10_000;
/** Longest header: this many bytes suffice for `parseNpyHeader`. */
export const NPY_HEADER_BYTES = 12 + LONGEST_HEADER;
/** This many bytes suffice for `npyHeaderLength`. */
export const NPY_PREFIX_BYTES = 12;

/**
 * Bytes of the header of a .npy, versions 1.0, 2.0 and 3.0, including everything before the
 * elements.
 *
 * @param bytes the beginning of the file, `NPY_PREFIX_BYTES` of it or all
 * @param name what to call it in errors
 * @throws {MediaError} if it is not a .npy, or its header is too long
 */
export function npyHeaderLength(bytes: Uint8Array, name: string): number {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw fail(name, "it is not a .npy array");
  const [major, minor] = [bytes[6], bytes[7]];
  if (minor !== 0 || !major || major > 3) {
    throw fail(name, `.npy version ${major}.${minor} is unknown`);
  }
  const view = viewOf(bytes);
  const start = startOf(bytes);
  if (bytes.length < start) throw fail(name, "it ends inside its header");
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > LONGEST_HEADER) throw fail(name, `its header of ${length} bytes is too long`);
  return start + length;
}

/** Where the text of the header begins. */
function startOf(bytes: Uint8Array): number {
  return bytes[6] === 1 ? 10 : 12;
}

/**
 * Reads the header of a .npy.
 *
 * @param bytes the beginning of the file, as many as `npyHeaderLength` says or more
 * @param name what to call it in errors
 * @throws {MediaError} if it is not an array of plain numbers in C order Source:
 * numpy/lib/format.py, "NEP 1"
 */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  const offset = npyHeaderLength(bytes, name);
  if (bytes.length < offset) throw fail(name, "it ends inside its header");
  const text = new TextDecoder("latin1").decode(bytes.subarray(startOf(bytes), offset));
  const fields = new HeaderParser(text, name).parse();
  const type = elementType(fields.descr, name);
  if (fields.fortran) {
    throw fail(name, "it is in Fortran order; save np.ascontiguousarray(array) instead");
  }
  const size = fields.shape.reduce((product, n) => product * n, ELEMENTS[type].BYTES_PER_ELEMENT);
  // Check every partial product: [2^40, 2^40, 0] has no elements, but no honest writer makes it.
  const largest = fields.shape.reduce((product, n) => product * Math.max(n, 1), 8);
  if (largest > Number.MAX_SAFE_INTEGER) {
    throw fail(name, `its shape (${fields.shape}) is too large`);
  }
  return { type, shape: fields.shape, offset, bytes: size };
}

/** @throws {MediaError} when a file of `size` bytes is not as long as its header announces */
export function checkNpySize(header: NpyHeader, size: number, name: string): void {
  const found = size - header.offset;
  if (found === header.bytes) return;
  throw fail(name, `its header announces ${header.bytes} bytes of numbers, but ${found} follow`);
}

/** Elements from their bytes, possibly sharing memory. */
export function npyElements(type: NpyType, bytes: Uint8Array<ArrayBuffer>): NpyData {
  const Elements = ELEMENTS[type];
  // Elements must start at a multiple of their size; bytes inside a file need not.
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % Elements.BYTES_PER_ELEMENT === 0
    ? bytes
    : new Uint8Array(bytes);
  return new Elements(buffer, byteOffset, byteLength / Elements.BYTES_PER_ELEMENT);
}

/** The header of a .npy as numpy writes it: version 1.0, padded to a multiple of 64 bytes. */
export function encodeNpyHeader(type: NpyType, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const bytes = new Uint8Array(10 + length).fill(0x20);
  bytes.set([...MAGIC, 1, 0, length & 255, length >> 8]);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[bytes.length - 1] = 0x0a;
  return bytes;
}

/** A complete .npy. */
export function encodeNpy({ type, shape, data }: NpyArray): Uint8Array {
  const header = encodeNpyHeader(type, shape);
  const bytes = new Uint8Array(header.length + data.byteLength);
  bytes.set(header);
  bytes.set(bytesOf(data), header.length);
  return bytes;
}

function elementType(descr: string, name: string): NpyType {
  // One byte has no byte order, and "=" is the unknown order of the writer's machine.
  const type = /^[<|][bui]1$/.test(descr) ? `|${descr.slice(1)}` : descr;
  if (Object.hasOwn(ELEMENTS, type)) return type as NpyType;
  throw fail(name, `its elements are ${JSON.stringify(descr)}, not little-endian numbers`);
}

/**
 * Parses the Python literal of a header: a dict of exactly `descr`, `fortran_order` and `shape`,
 * each of its own kind. Nothing is evaluated.
 */
class HeaderParser {
  #at = 0;

  constructor(readonly text: string, readonly name: string) {}

  parse(): { descr: string; fortran: boolean; shape: number[] } {
    let descr: string | undefined;
    let fortran: boolean | undefined;
    let shape: number[] | undefined;
    this.#expect("{");
    while (!this.#accept("}")) {
      const key = this.#string();
      this.#expect(":");
      if (key === "descr" && descr === undefined) descr = this.#string();
      else if (key === "fortran_order" && fortran === undefined) fortran = this.#boolean();
      else if (key === "shape" && shape === undefined) shape = this.#tuple();
      else throw this.#malformed();
      if (!this.#accept(",")) {
        this.#expect("}");
        break;
      }
    }
    this.#skipSpace();
    if (this.#at !== this.text.length) throw this.#malformed();
    if (descr === undefined || fortran === undefined || !shape) throw this.#malformed();
    return { descr, fortran, shape };
  }

  #string(): string {
    const found = this.#match(/(?:'([^'\\\p{Cc}]*)'|"([^"\\\p{Cc}]*)")/uy);
    return found[1] ?? found[2] ?? "";
  }

  #boolean(): boolean {
    return this.#match(/(?:True|False)\b/y)[0] === "True";
  }

  #tuple(): number[] {
    const sizes: number[] = [];
    this.#expect("(");
    while (!this.#accept(")")) {
      sizes.push(Number(this.#match(/(?:0|[1-9]\d{0,15})(?![\w.])/y)[0]));
      if (!this.#accept(",")) {
        if (sizes.length === 1) throw this.#malformed(); // (5) is a number, not a tuple.
        this.#expect(")");
        break;
      }
    }
    return sizes;
  }

  #match(pattern: RegExp): RegExpExecArray {
    this.#skipSpace();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text);
    if (!found) throw this.#malformed();
    this.#at = pattern.lastIndex;
    return found;
  }

  #accept(mark: string): boolean {
    this.#skipSpace();
    if (this.text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#accept(mark)) throw this.#malformed();
  }

  #skipSpace(): void {
    while (this.#at < this.text.length && " \t\r\n".includes(this.text[this.#at]!)) this.#at++;
  }

  #malformed(): MediaError {
    return fail(this.name, `its .npy header is malformed at character ${this.#at}`);
  }
}

function fail(name: string, reason: string): MediaError {
  return new MediaError(`Cannot read "${name}": ${reason}`);
}
