/** Makes broken input out of sound input, by chance but always the same for a seed and a number. */

import { joinBytes } from "../files/bytes.ts";

const NUMBERS = [0n, 1n, 2n, 3n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0xffffn, 0x7fffffffn, 0xffffffffn];
const WIDE = [...NUMBERS, 1n << 32n, 1n << 53n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
const JSON_SCRAPS = [
  ...'{}[],:"\\',
  ...["\\u0000", "\\ud800", "\u00e9", "null", "true", "-1", "0.0", "1e9", "00", " ", "\n", "\0"],
  ...['"__metadata__":', '"a":1,', '"dtype":"F32",', "[[[[[[[["],
  ...WIDE.map(String),
];
/** Signatures of a zip's parts, next to which are the fields that readers disagree about. */
const ZIP_SCRAPS = ["\x01\x02", "\x03\x04", "\x05\x06", "\x06\x06", "\x06\x07", "\x07\x08"]
  .map((type) => `PK${type}`);
const GLOBALS = [
  "torch\nFloatStorage\n",
  "torch\nLongStorage\n",
  "torch._utils\n_rebuild_tensor_v2\n",
  "torch._utils\n_rebuild_parameter\n",
  "collections\nOrderedDict\n",
  "torch\nSize\n",
  "os\nsystem\n",
  "builtins\ngetattr\n",
];

const NPY_SCRAPS = [
  ...["{", "}", "(", ")", "()", ",", ":", "'", '"', "\\"],
  ...["'descr': '<f4', ", "'descr': '|O8'", "'fortran_order': True, ", "'shape': (1,), "],
  ...["'extra': 0, ", "None", "-1", "1.5", "1L", "__import__('os')", "[('a', '<f4')]"],
  ...["<i8", ">f4", "\n", "\0"],
  ...WIDE.map(String),
];

/** Source of chance and of input. */
export class Mutator {
  #state: number;

  constructor(seed: number, index: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
    for (let i = 0; i < 4; i++) this.#next();
  }

  /** In [0, 1). Source: mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** A copy with a few bytes changed, put in, taken out, doubled or cut off. */
  bytes(source: Uint8Array): Uint8Array {
    let bytes = source.slice();
    for (let changes = 1 + this.below(4); changes > 0; changes--) bytes = this.#change(bytes);
    return bytes;
  }

  #change(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const at = this.below(bytes.length + 1);
    const length = Math.min(bytes.length - at, 1 + this.below(16));
    switch (this.below(7)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << this.below(8);
        return bytes;
      case 1:
        if (at < bytes.length) bytes[at] = this.below(256);
        return bytes;
      case 2:
        return this.#number(bytes, at);
      case 3:
        return join(bytes.subarray(0, at), bytes.subarray(at + length));
      case 4:
        return join(bytes.subarray(0, at + length), bytes.subarray(at));
      case 5:
        return join(bytes.subarray(0, at), this.#noise(this.below(16)), bytes.subarray(at));
      default:
        return bytes.slice(0, at);
    }
  }

  #number(
    bytes: Uint8Array<ArrayBuffer>,
    at: number,
    isBig = false,
  ): Uint8Array<ArrayBuffer> {
    const size = this.pick([1, 2, 4, 8]);
    let value = this.pick(WIDE);
    for (let i = 0; i < size; i++, value >>= 8n) {
      const place = at + (isBig ? size - 1 - i : i);
      if (place < bytes.length) bytes[place] = Number(value & 0xffn);
    }
    return bytes;
  }

  #noise(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** Mostly changes of the directory and the headers, where an archive's meaning is. */
  archive(source: Uint8Array): Uint8Array {
    return this.fields(source, ZIP_SCRAPS, 60);
  }

  /**
   * Mostly changes of numbers around the marks that a format begins its parts with.
   * @param reach bytes after a mark in which its fields are
   */
  fields(source: Uint8Array, marks: readonly string[], reach = 40): Uint8Array {
    if (this.chance(0.5)) return this.bytes(source);
    const bytes = source.slice();
    const text = String.fromCharCode(...bytes);
    for (let changes = 1 + this.below(3); changes > 0; changes--) {
      const start = Math.max(0, text.indexOf(this.pick(marks), this.below(text.length)));
      const at = Math.max(0, start - 4) + this.below(reach + 4);
      const mark = latin(this.pick(marks));
      if (this.chance(0.2)) bytes.set(mark, Math.min(at, bytes.length - mark.length));
      else this.#number(bytes, at, this.chance(0.5));
    }
    return bytes;
  }

  /** A header with scraps put in, taken out and exchanged. */
  json(header: string, dtypes: readonly string[]): string {
    return this.#scraps(
      header,
      () => this.chance(0.2) ? `"${this.pick(dtypes)}"` : this.pick(JSON_SCRAPS),
    );
  }

  #scraps(source: string, scrap: () => string): string {
    let text = source;
    for (let changes = 1 + this.below(4); changes > 0; changes--) {
      const at = this.below(text.length + 1);
      const put = scrap();
      const cut = this.chance(0.5) ? this.below(6) : 0;
      text = text.slice(0, at) + put + text.slice(at + cut);
    }
    return this.chance(0.1) ? text.replace(/\d+/, String(this.pick(WIDE))) : text;
  }

  /** A .npy whose header has scraps put in, its length mostly the right one. */
  array(source: Uint8Array): Uint8Array {
    if (this.chance(0.3)) return this.bytes(source);
    const start = source[6] === 1 ? 10 : 12;
    const view = new DataView(source.buffer, source.byteOffset);
    const end = start + (start === 10 ? view.getUint16(8, true) : view.getUint32(8, true));
    const header = String.fromCharCode(...source.subarray(start, end));
    const text = latin(this.#scraps(header, () => this.pick(NPY_SCRAPS)));
    const length = this.chance(0.95) ? text.length : Number(this.pick(NUMBERS));
    const data = source.subarray(end);
    const rest = this.chance(0.7) ? data : this.bytes(data);
    return join(source.subarray(0, 8), little(length, start - 8), text, rest);
  }

  /** A header made up from nothing: well-formed mostly, true by accident. */
  header(dtypes: readonly string[]): string {
    const entries: string[] = [];
    let position = 0;
    for (let i = this.below(5); i > 0; i--) {
      const shape = Array.from({ length: this.below(4) }, () => this.#size());
      const end = this.chance(0.6) ? position + this.below(40) : this.pick(WIDE);
      const begin = this.chance(0.8) ? position : this.below(40);
      const dtype = this.pick(dtypes);
      const info = `{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${begin},${end}]}`;
      entries.push(`"${this.pick(["a", "b", "c", "\\u0061", "__metadata__", ""])}":${info}`);
      if (typeof end === "number") position = end;
    }
    return `{${entries.join(",")}}`;
  }

  #size(): string {
    return String(this.chance(0.7) ? this.below(5) : this.pick(WIDE));
  }

  /** A header with its length in front, mostly the right one. */
  withLength(text: string, data: Uint8Array): Uint8Array {
    const header = new TextEncoder().encode(text);
    const length = new Uint8Array(8);
    const value = this.chance(0.95) ? BigInt(header.length) : this.pick(WIDE);
    new DataView(length.buffer).setBigUint64(0, value, true);
    return join(length, header, data);
  }

  /** A pickle of opcodes by chance, most of them known ones. */
  pickle(): Uint8Array {
    const parts: Uint8Array[] = [Uint8Array.of(0x80, this.chance(0.98) ? 2 : this.below(256))];
    for (let ops = this.below(60); ops > 0; ops--) parts.push(this.#op());
    if (this.chance(0.9)) parts.push(latin("."));
    return join(...parts);
  }

  #op(): Uint8Array {
    const small = () => Uint8Array.of(this.below(this.chance(0.8) ? 6 : 256));
    const text = () => this.pick(["storage", "0", "cpu", "w", "é", ""]);
    switch (this.below(14)) {
      case 0:
        return join(latin(this.pick(["h", "q", "K"])), small());
      case 1: {
        const bytes = new TextEncoder().encode(text());
        const length = this.chance(0.97) ? bytes.length : this.below(2 ** 32);
        return join(latin("X"), little(length, 4), bytes);
      }
      case 2:
        return join(latin("c"), new TextEncoder().encode(this.pick(GLOBALS)));
      case 3:
        return join(latin("J"), little(Number(this.pick(NUMBERS)), 4));
      case 4:
        return join(latin("\x8a"), Uint8Array.of(this.below(12)), this.#noise(this.below(12)));
      case 5:
        return join(latin("G"), this.#noise(8));
      case 6:
        return join(latin(this.pick(["j", "r"])), little(this.below(4), 4));
      case 7:
        return this.chance(0.1) ? this.#noise(1) : latin("(");
      default:
        return latin(this.pick([..."(()]}tRQuse abN\x85\x86\x87\x88\x89".replace(" ", "")]));
    }
  }
}

/** Fails where a parser has accepted what it must refuse. */
export function hold(fits: boolean, what: string): void {
  if (!fits) throw new Error(`accepted ${what}`);
}

const join = (...parts: readonly Uint8Array[]) => joinBytes(parts);

function latin(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

function little(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256);
}
