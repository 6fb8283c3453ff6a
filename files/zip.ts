/**
 * The zip archives that torch.save and numpy write, read strictly: the entries, the central
 * directory and the end records must account for every byte of the file, in order. So nothing
 * overlaps, nothing hides before, between or after, and no two readers can see different contents.
 * Names are keys here, never paths. Source: PKWARE APPNOTE.TXT 6.3.10
 */
import { viewOf } from "./bytes.ts";
import { crc32 } from "node:zlib";
import { bytesAt, type ByteSource, piecesAt } from "./byte_source.ts";
import { CheckpointError, quote } from "./errors.ts";

/** One file of an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Of its first byte in the archive. */
  readonly offset: number;
  /** Its length; `packed` of them are in the archive. */
  readonly bytes: number;
  readonly packed: number;
  readonly isDeflated: boolean;
  readonly crc: number;
}

/** What an archive may hold. */
export interface ZipRules {
  /** Whether entries may be compressed (DEFLATE); otherwise they must be stored. */
  readonly mayDeflate?: boolean;
}

interface Located extends ZipEntry {
  readonly rawName: Uint8Array;
  readonly header: number;
  readonly flags: number;
}

interface Directory {
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
}

const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MOST_ENTRIES = 1_000_000;
const MOST_DIRECTORY_BYTES = 128 * 1024 * 1024;
const FULL16 = 0xffff;
const FULL32 = 0xffffffff;
const DEFLATED = 8;
/** DEFLATE reaches at most 1032:1, so a higher ratio is a lie. */
const BEST_RATIO = 1032;
/** Packed bytes that are unpacked at a time, to 16 MiB at most. */
const PIECE = 2 ** 14;
const STORED_PIECE = 2 ** 22;
/** The writer's compression level, which readers ignore. */
const FLAGS_EFFORT = 0x0006;
const FLAG_DESCRIPTOR = 0x0008;
const FLAG_UTF8 = 0x0800;
const EXTRA_ZIP64 = 0x0001;
const EXTRA_UNICODE_NAME = 0x7075;

/** Whether the bytes begin as a zip archive does. */
export function isZip(start: Uint8Array): boolean {
  return start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
}

/**
 * Reads the table of contents and checks it against every local header.
 * @throws {CheckpointError} BadZip; the message lacks the file's name
 */
export async function readZip(
  source: ByteSource,
  rules: ZipRules = {},
): Promise<ReadonlyMap<string, ZipEntry>> {
  const directory = await readEnd(source);
  const bytes = await bytesAt(source, directory.offset, directory.bytes);
  const entries = parseDirectory(bytes, directory, rules);
  entries.sort((a, b) => a.header - b.header);
  let position = 0;
  const located = new Map<string, ZipEntry>();
  for (const [i, entry] of entries.entries()) {
    if (entry.header !== position) {
      bad(`entry ${quote(entry.name)} begins at ${entry.header}, expected at ${position}`);
    }
    const next = entries[i + 1]?.header ?? directory.offset;
    const offset = await checkLocal(source, entry, next);
    position = next;
    located.set(entry.name, { ...entry, offset });
  }
  if (position !== directory.offset) bad("its central directory doesn't follow its entries");
  return located;
}

/**
 * Unpacks an entry piece by piece, none larger than 16 MiB, and compares its size and checksum as
 * it ends.
 * @throws {CheckpointError} BadZip
 */
export async function* unpackEntry(
  source: ByteSource,
  entry: ZipEntry,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const piece = entry.isDeflated ? PIECE : STORED_PIECE;
  const packed = piecesAt(source, entry.offset, entry.packed, piece);
  let [size, crc] = [0, 0];
  for await (const piece of entry.isDeflated ? inflate(entry, packed) : packed) {
    size += piece.length;
    if (size > entry.bytes) break;
    crc = crc32(piece, crc);
    yield piece;
  }
  if (size !== entry.bytes) bad(`${quote(entry.name)} in it is damaged: it has another size`);
  if (crc !== entry.crc) bad(`the checksum of ${quote(entry.name)} is wrong: the file is damaged`);
}

/**
 * Reads and unpacks an entry, and compares its checksum.
 * @param most bytes that it may have
 * @throws {CheckpointError} BadZip
 */
export async function readEntry(
  source: ByteSource,
  entry: ZipEntry,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (entry.bytes > most) bad(`${quote(entry.name)} in it is larger than ${most} bytes`);
  const bytes = new Uint8Array(entry.bytes);
  let at = 0;
  for await (const piece of unpackEntry(source, entry)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

async function* inflate(
  entry: ZipEntry,
  packed: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (entry.bytes === 0) return;
  try {
    yield* ReadableStream.from(packed).pipeThrough(new DecompressionStream("deflate-raw"));
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    bad(`${quote(entry.name)} in it is damaged: it does not unpack`);
  }
}

/**
 * Reads an entry once and compares its checksum.
 * @throws {CheckpointError} BadZip
 */
export async function checkCrc(source: ByteSource, entry: ZipEntry): Promise<void> {
  for await (const _ of unpackEntry(source, entry)) {
    // it is compared at the end
  }
}

/** Finds the central directory through the end records, which must close the file. */
async function readEnd(source: ByteSource): Promise<Directory> {
  if (source.size < END_BYTES) bad("it is too short for a zip archive");
  const length = Math.min(source.size, END_BYTES + LOCATOR_BYTES + END64_BYTES);
  const tail = await viewAt(source, source.size - length, length);
  const at = length - END_BYTES;
  if (tail.getUint32(at, true) !== 0x06054b50 || tail.getUint16(at + 20, true) !== 0) {
    bad("it doesn't end as a zip archive does: it is cut off, or something follows it");
  }
  const hasLocator = at >= LOCATOR_BYTES + END64_BYTES &&
    tail.getUint32(at - LOCATOR_BYTES, true) === 0x07064b50;
  const end = hasLocator ? readEnd64(tail, at, source.size) : readEnd32(tail, at);
  const records = END_BYTES + (hasLocator ? LOCATOR_BYTES + END64_BYTES : 0);
  if (end.offset + end.bytes !== source.size - records) {
    bad("its central directory doesn't end where its end record begins");
  }
  if (end.count > MOST_ENTRIES || end.bytes > MOST_DIRECTORY_BYTES) {
    bad(`it has ${end.count} entries in a directory of ${end.bytes} bytes`);
  }
  return end;
}

function readEnd32(tail: DataView, at: number): Directory {
  const count = tail.getUint16(at + 10, true);
  const bytes = tail.getUint32(at + 12, true);
  const offset = tail.getUint32(at + 16, true);
  const disks = tail.getUint32(at + 4, true);
  if (disks !== 0 || tail.getUint16(at + 8, true) !== count) bad("it spans several disks");
  if (count === FULL16 || bytes === FULL32 || offset === FULL32) bad("its zip64 record is missing");
  return { count, bytes, offset };
}

function readEnd64(tail: DataView, at: number, fileSize: number): Directory {
  const locator = at - LOCATOR_BYTES;
  const record = locator - END64_BYTES;
  const place = integer64(tail, locator + 8);
  const whole = tail.getUint32(locator + 4, true) === 0 && tail.getUint32(locator + 16, true) === 1;
  if (!whole || place !== fileSize - (tail.byteLength - record)) {
    bad("its zip64 locator points elsewhere");
  }
  if (tail.getUint32(record, true) !== 0x06064b50 || integer64(tail, record + 4) !== 44) {
    bad("its zip64 end record is malformed");
  }
  const count = integer64(tail, record + 32);
  const bytes = integer64(tail, record + 40);
  const offset = integer64(tail, record + 48);
  const disks = tail.getUint32(record + 16, true) + tail.getUint32(record + 20, true);
  if (disks !== 0 || integer64(tail, record + 24) !== count) bad("it spans several disks");
  const agrees = (short: number, value: number, full: number) => short === value || short === full;
  if (
    tail.getUint32(at + 4, true) !== 0 ||
    !agrees(tail.getUint16(at + 8, true), count, FULL16) ||
    !agrees(tail.getUint16(at + 10, true), count, FULL16) ||
    !agrees(tail.getUint32(at + 12, true), bytes, FULL32) ||
    !agrees(tail.getUint32(at + 16, true), offset, FULL32)
  ) bad("its two end records disagree");
  return { count, bytes, offset };
}

function parseDirectory(
  bytes: Uint8Array,
  { count }: Directory,
  rules: ZipRules,
): Located[] {
  const view = viewOf(bytes);
  const entries: Located[] = [];
  const names = new Set<string>();
  let at = 0;
  while (at < bytes.length) {
    if (at + CENTRAL_BYTES > bytes.length || view.getUint32(at, true) !== 0x02014b50) {
      bad("its central directory is malformed");
    }
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const end = at + CENTRAL_BYTES + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (end > bytes.length) bad("its central directory is malformed");
    const rawName = bytes.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
    const extraAt = at + CENTRAL_BYTES + nameBytes;
    const extra = new DataView(bytes.buffer, bytes.byteOffset + extraAt, extraBytes);
    const entry = centralEntry(view, at, { rawName, extra, rules });
    if (names.has(entry.name)) bad(`it has two entries named ${quote(entry.name)}`);
    names.add(entry.name);
    entries.push(entry);
    at = end;
  }
  if (entries.length !== count) bad(`it has ${entries.length} entries, its end says ${count}`);
  return entries;
}

function centralEntry(
  view: DataView,
  at: number,
  { rawName, extra, rules }: { rawName: Uint8Array; extra: DataView; rules: ZipRules },
): Located {
  const name = decodeName(rawName);
  const flags = view.getUint16(at + 8, true);
  if (flags & 1) bad(`entry ${quote(name)} is encrypted`);
  const method = view.getUint16(at + 10, true);
  if (method !== 0) checkMethod(name, method, rules);
  const isDeflated = method === DEFLATED;
  if (flags & ~(FLAG_DESCRIPTOR | FLAG_UTF8 | (isDeflated ? FLAGS_EFFORT : 0))) {
    bad(`entry ${quote(name)} has flags 0x${flags.toString(16)}`);
  }
  if (view.getUint16(at + 34, true) !== 0) bad("it spans several disks");
  const raw = [24, 20, 42].map((field) => view.getUint32(at + field, true));
  const [bytes, packed, header] = wideValues(raw, extra, name) as [number, number, number];
  if (!isDeflated && bytes !== packed) bad(`entry ${quote(name)} is stored, but has two sizes`);
  if (bytes > packed * BEST_RATIO) bad(`entry ${quote(name)} announces an impossible size`);
  const crc = view.getUint32(at + 16, true);
  return { name, rawName, flags, crc, header, bytes, packed, isDeflated, offset: -1 };
}

function checkMethod(name: string, method: number, { mayDeflate }: ZipRules): void {
  if (mayDeflate && method === DEFLATED) return;
  const why = mayDeflate
    ? `packed with method ${method}; only DEFLATE is known`
    : /^[^/]+\/code\//.test(name)
    ? "compressed; it is a TorchScript archive, a program: save the model's state_dict instead"
    : "compressed; PyTorch stores its tensors as they are";
  bad(`entry ${quote(name)} is ${why}`);
}

/** Replaces values of 2^32 - 1 by those of the zip64 field, which must hold exactly these. */
function wideValues(values: number[], extra: DataView, name: string): number[] {
  const wide = findExtra(extra, EXTRA_ZIP64, name);
  if (findExtra(extra, EXTRA_UNICODE_NAME, name)) bad(`entry ${quote(name)} has a second name`);
  const needed = values.filter((value) => value === FULL32).length;
  if ((wide?.byteLength ?? 0) !== 8 * needed) bad(`entry ${quote(name)} has a wrong zip64 field`);
  let at = 0;
  return values.map((value) => {
    if (value !== FULL32) return value;
    at += 8;
    return integer64(wide!, at - 8);
  });
}

function findExtra(extra: DataView, id: number, name: string): DataView | undefined {
  let found: DataView | undefined;
  for (let at = 0; at < extra.byteLength;) {
    const bytes = at + 4 > extra.byteLength ? Infinity : extra.getUint16(at + 2, true);
    if (at + 4 + bytes > extra.byteLength) bad(`entry ${quote(name)} has a malformed extra field`);
    if (extra.getUint16(at, true) === id) {
      if (found) bad(`entry ${quote(name)} has an extra field twice`);
      found = new DataView(extra.buffer, extra.byteOffset + at + 4, bytes);
    }
    at += 4 + bytes;
  }
  return found;
}

/**
 * Compares a local header with the central directory.
 * @param next where the next entry begins
 * @returns byte where the data begins
 */
async function checkLocal(source: ByteSource, entry: Located, next: number): Promise<number> {
  const { name, rawName, header } = entry;
  const mismatch = (what: string) => bad(`the two headers of ${quote(name)} differ in ${what}`);
  if (header + LOCAL_BYTES + rawName.length > next) bad(`entry ${quote(name)} is cut off`);
  const view = await viewAt(source, header, LOCAL_BYTES + rawName.length);
  if (view.getUint32(0, true) !== 0x04034b50) bad(`entry ${quote(name)} has no header`);
  if (view.getUint16(6, true) !== entry.flags) mismatch("flags");
  if (view.getUint16(8, true) !== (entry.isDeflated ? DEFLATED : 0)) mismatch("method");
  const local = new Uint8Array(view.buffer, LOCAL_BYTES);
  const nameBytes = view.getUint16(26, true);
  if (nameBytes !== rawName.length || !local.every((byte, i) => byte === rawName[i])) {
    mismatch("name");
  }
  const extraBytes = view.getUint16(28, true);
  const offset = header + LOCAL_BYTES + nameBytes + extraBytes;
  const gap = next - (offset + entry.packed);
  const described = (entry.flags & FLAG_DESCRIPTOR) !== 0;
  if (described ? gap !== 16 && gap !== 24 : gap !== 0) {
    bad(`entry ${quote(name)} has ${entry.packed} bytes, which don't fill its place`);
  }
  // a streaming writer leaves zeros here and puts the numbers after the data
  const agrees = (local: number, value: number) => local === value || (described && local === 0);
  if (!agrees(view.getUint32(14, true), entry.crc)) mismatch("checksum");
  const sizes = [22, 18].map((at) => view.getUint32(at, true));
  const [size, packed] = sizes.includes(FULL32)
    ? wideValues(sizes, await viewAt(source, offset - extraBytes, extraBytes), name)
    : sizes;
  if (!agrees(size!, entry.bytes) || !agrees(packed!, entry.packed)) mismatch("size");
  if (described) await checkDescriptor(source, entry, offset + entry.packed, gap);
  return offset;
}

async function checkDescriptor(
  source: ByteSource,
  { name, crc, bytes, packed }: Located,
  at: number,
  length: number,
): Promise<void> {
  const view = await viewAt(source, at, length);
  const sizes = length === 16
    ? [view.getUint32(8, true), view.getUint32(12, true)]
    : [integer64(view, 8), integer64(view, 16)];
  const agrees = view.getUint32(0, true) === 0x08074b50 && view.getUint32(4, true) === crc &&
    sizes[0] === packed && sizes[1] === bytes;
  if (!agrees) bad(`the data descriptor of ${quote(name)} disagrees with its headers`);
}

async function viewAt(source: ByteSource, position: number, length: number): Promise<DataView> {
  return new DataView((await bytesAt(source, position, length)).buffer);
}

function integer64(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) bad(`it has a size or offset of ${value}`);
  return Number(value);
}

function decodeName(raw: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    bad("it has an entry whose name is not UTF-8");
  }
}

function bad(why: string): never {
  throw new CheckpointError(why, { reason: "BadZip" });
}
