import { crc32, deflateRawSync, inflateRawSync } from "node:zlib";
import type { ByteReader } from "./byte_reader.ts";
import { MediaError } from "./errors.ts";

/** A member of a zip archive, as the central directory describes it. Sizes in bytes. */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  /** Where the local header is. */
  readonly offset: number;
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const END_64_LOCATOR = 0x07064b50;
const UNKNOWN_32 = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;
/** The best that DEFLATE can do is 1032:1, so a higher ratio is a lie. */
const BEST_RATIO = 1032;
/** Controls, bidirectional marks, line separators: names are shown, and these rewrite a terminal. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
/** Arrays of this many bytes still fit into one buffer everywhere. */
const LARGEST_ENTRY = 2 ** 31;

/**
 * Lists a zip archive. Sizes and offsets come from the central directory, with their 64-bit forms.
 *
 * @throws {MediaError} when the archive is cut off, inconsistent, encrypted or spread over disks
 * Source: PKWARE APPNOTE.TXT 6.3.10
 */
export async function readZipDirectory(file: ByteReader): Promise<Map<string, ZipEntry>> {
  const end = await findEnd(file);
  if (end.offset + end.size > end.position) throw fail(file, "its directory is cut off");
  const bytes = await file.read(end.offset, end.size);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let k = 0; k < end.count; k++) {
    const { entry, next } = parseCentralHeader(file, bytes, at);
    if (entries.has(entry.name)) throw fail(file, `it holds "${entry.name}" twice`);
    entries.set(entry.name, entry);
    at = next;
  }
  if (at !== bytes.length) throw fail(file, "its directory has entries that are not counted");
  refuseOverlaps(file, [...entries.values()], end.offset);
  return entries;
}

/**
 * Reads and unpacks a member, and checks its CRC.
 *
 * @throws {MediaError} when it is damaged or packed in a way that is not known here
 */
export async function readZipEntry(file: ByteReader, entry: ZipEntry): Promise<Uint8Array> {
  const label = `"${entry.name}" in it`;
  if (entry.size > LARGEST_ENTRY) throw fail(file, `${label} is larger than 2 GiB unpacked`);
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw fail(file, `${label} is packed with method ${entry.method}; only DEFLATE is known`);
  }
  const stored = entry.method === STORED;
  if (
    stored ? entry.size !== entry.compressedSize : entry.size > entry.compressedSize * BEST_RATIO
  ) {
    throw fail(file, `${label} announces an impossible size`);
  }
  const packed = await file.read(await dataOffset(file, entry), entry.compressedSize);
  const bytes = stored ? packed : inflate(file, packed, entry);
  if (bytes.length !== entry.size || crc32(bytes) !== entry.crc) {
    throw fail(file, `${label} is damaged: its checksum does not fit`);
  }
  return bytes;
}

function inflate(file: ByteReader, packed: Uint8Array, entry: ZipEntry): Uint8Array {
  if (entry.size === 0) return new Uint8Array(0);
  try {
    return inflateRawSync(packed, { maxOutputLength: entry.size });
  } catch {
    throw fail(file, `"${entry.name}" in it is damaged: it does not unpack to its size`);
  }
}

interface End {
  readonly position: number;
  readonly count: number;
  readonly size: number;
  readonly offset: number;
}

/** The record at the end of the archive, before an optional comment. */
async function findEnd(file: ByteReader): Promise<End> {
  const length = Math.min(file.size, 22 + 0xffff);
  const tail = await file.read(file.size - length, length);
  const view = viewOf(tail);
  for (let at = length - 22; at >= 0; at--) {
    if (view.getUint32(at, true) !== END || at + 22 + view.getUint16(at + 20, true) !== length) {
      continue;
    }
    const position = file.size - length + at;
    const [disk, firstDisk] = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
    const [here, count] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    const [size, offset] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
    if (count === 0xffff || size === UNKNOWN_32 || offset === UNKNOWN_32) {
      return await findEnd64(file, position);
    }
    if (disk !== 0 || firstDisk !== 0 || here !== count) {
      throw fail(file, "it is spread over disks");
    }
    return { position, count, size, offset };
  }
  throw fail(file, "it is not a whole .npz (zip) archive");
}

async function findEnd64(file: ByteReader, end: number): Promise<End> {
  const locator = viewOf(await file.read(end - 20, 20));
  if (locator.getUint32(0, true) !== END_64_LOCATOR) {
    throw fail(file, "its zip64 record is missing");
  }
  const position = wide(file, locator, 8);
  const view = viewOf(await file.read(position, 56));
  if (view.getUint32(0, true) !== END_64 || view.getUint32(16, true) !== 0) {
    throw fail(file, "its zip64 record is missing");
  }
  return {
    position,
    count: wide(file, view, 32),
    size: wide(file, view, 40),
    offset: wide(file, view, 48),
  };
}

function parseCentralHeader(file: ByteReader, bytes: Uint8Array, at: number) {
  const view = viewOf(bytes);
  if (at + 46 > bytes.length || view.getUint32(at, true) !== CENTRAL_HEADER) {
    throw fail(file, "its directory is damaged");
  }
  const u16 = (offset: number) => view.getUint16(at + offset, true);
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const nameEnd = at + 46 + u16(28);
  const extraEnd = nameEnd + u16(30);
  const next = extraEnd + u16(32);
  if (next > bytes.length) throw fail(file, "its directory is damaged");
  const name = new TextDecoder().decode(bytes.subarray(at + 46, nameEnd));
  if (UNPRINTABLE.test(name)) throw fail(file, "a name in it has characters that cannot be shown");
  if (u16(8) & 1) throw fail(file, `"${name}" in it is encrypted`);
  const extra = wideFields(file, bytes.subarray(nameEnd, extraEnd));
  const widen = (value: number) => value === UNKNOWN_32 ? extra() : value;
  const size = widen(u32(24));
  const compressedSize = widen(u32(20));
  const offset = widen(u32(42));
  return { entry: { name, method: u16(10), crc: u32(16), size, compressedSize, offset }, next };
}

/** The 64-bit values of an extra field, one by one in the order of the standard. */
function wideFields(file: ByteReader, extra: Uint8Array): () => number {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (view.getUint16(at, true) !== 1 || end > extra.length) continue;
    let next = at + 4;
    return () => {
      if (next + 8 > end) throw fail(file, "a 64-bit size is missing in its directory");
      next += 8;
      return wide(file, view, next - 8);
    };
  }
  return () => {
    throw fail(file, "a 64-bit size is missing in its directory");
  };
}

/** Where the bytes of a member begin, after a local header that must agree with the directory. */
async function dataOffset(file: ByteReader, entry: ZipEntry): Promise<number> {
  const header = await file.read(entry.offset, 30);
  const view = viewOf(header);
  const nameLength = view.getUint16(26, true);
  if (view.getUint32(0, true) !== LOCAL_HEADER) throw fail(file, "its directory points nowhere");
  const name = new TextDecoder().decode(await file.read(entry.offset + 30, nameLength));
  const isStreamed = (view.getUint16(6, true) & 8) !== 0; // Sizes and CRC follow the data then.
  const sizes = [view.getUint32(18, true), view.getUint32(22, true)];
  const agrees = (local: number, size: number) =>
    local === size || local === UNKNOWN_32 || (isStreamed && local === 0);
  if (
    name !== entry.name || view.getUint16(8, true) !== entry.method ||
    !agrees(sizes[0]!, entry.compressedSize) || !agrees(sizes[1]!, entry.size)
  ) {
    throw fail(file, `the two descriptions of "${entry.name}" in it differ`);
  }
  return entry.offset + 30 + nameLength + view.getUint16(28, true);
}

/** Members that share bytes are how a small archive pretends to be a huge one. */
function refuseOverlaps(file: ByteReader, entries: ZipEntry[], directory: number): void {
  entries.sort((a, b) => a.offset - b.offset);
  entries.forEach((entry, k) => {
    const end = entries[k + 1]?.offset ?? directory;
    if (entry.offset + 30 + entry.name.length + entry.compressedSize > end) {
      throw fail(file, `"${entry.name}" in it overlaps what follows`);
    }
  });
}

/**
 * Packs members into a zip archive. The same members give the same bytes: the date is always that of
 * the format's epoch.
 */
export function encodeZip(
  members: { readonly name: string; readonly data: Uint8Array }[],
): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, data } of members) {
    const label = new TextEncoder().encode(name);
    const packed = deflateRawSync(data);
    const common = new DataView(new ArrayBuffer(26));
    common.setUint16(0, 20, true); // version that can unpack it
    common.setUint16(4, DEFLATED, true);
    common.setUint16(8, 0x21, true); // 1 January 1980
    common.setUint32(10, crc32(data), true);
    common.setUint32(14, packed.length, true);
    common.setUint32(18, data.length, true);
    common.setUint16(22, label.length, true);
    const fields = new Uint8Array(common.buffer);
    parts.push(little(LOCAL_HEADER, 4), fields, label, packed);
    directory.push(little(CENTRAL_HEADER, 4), little(20, 2), fields, new Uint8Array(10));
    directory.push(little(offset, 4), label);
    offset += 30 + label.length + packed.length;
  }
  const directorySize = directory.reduce((sum, part) => sum + part.length, 0);
  if (offset + directorySize > UNKNOWN_32) throw new MediaError("Cannot write a .npz over 4 GiB");
  const count = little(members.length, 2);
  const end = [
    little(END, 4),
    little(0, 4),
    count,
    count,
    little(directorySize, 4),
    little(offset, 4),
  ];
  return [...parts, ...directory, ...end, little(0, 2)];
}

function little(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 255);
}

function wide(file: ByteReader, view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw fail(file, "a 64-bit size in it is absurd");
  return Number(value);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fail(file: ByteReader, reason: string): MediaError {
  return new MediaError(`Cannot read "${file.path}": ${reason}`);
}
