/** Writes files as torch.save does: a zip archive of stored entries, with zip64 where needed. */
import { crc32 } from "node:zlib";
import { type SavedValue, writePickle } from "./pickle_writer.ts";
import type { ByteSink } from "../files/byte_sink.ts";

export { SavedFloat, type SavedTensor, SavedTuple, type SavedValue } from "./pickle_writer.ts";

interface Entry {
  readonly name: Uint8Array;
  readonly crc: number;
  readonly size: number;
  readonly offset: number;
}

const FULL32 = 0xffffffff;
const FULL16 = 0xffff;
/** Tensor data begins at multiples of this, as PyTorch's own writer has it. */
const ALIGNMENT = 64;
/** 1 January 1980, the earliest date that the format knows. */
const DATE = 0x21;

/**
 * Saves a value so that `torch.load(file, weights_only=True)` returns it.
 * @param sink where the bytes go
 * @param root name of the archive's one folder
 * @throws what the sink throws
 * Source: PyTorch 2.5.1, caffe2/serialize/inline_container.cc; PKWARE APPNOTE.TXT 6.3.10
 */
export async function writeTorch(sink: ByteSink, root: string, value: SavedValue): Promise<void> {
  const { pickle, tensors } = writePickle(value);
  const text = (words: string) => new TextEncoder().encode(words);
  const writer = new ZipWriter(sink);
  await writer.add(`${root}/data.pkl`, pickle);
  await writer.add(`${root}/byteorder`, text("little"));
  for (const [key, { data }] of tensors.entries()) await writer.add(`${root}/data/${key}`, data);
  await writer.add(`${root}/version`, text("3\n"));
  await writer.finish();
}

class ZipWriter {
  readonly #sink: ByteSink;
  readonly #entries: Entry[] = [];
  #at = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  async add(name: string, data: Uint8Array): Promise<void> {
    if (data.length >= FULL32) throw new RangeError(`Cannot save ${name}: it has 4 GB or more`);
    const entry = {
      name: new TextEncoder().encode(name),
      crc: crc32(data),
      size: data.length,
      offset: this.#at,
    };
    this.#entries.push(entry);
    await this.#write(localHeader(entry));
    await this.#write(data);
  }

  async finish(): Promise<void> {
    const offset = this.#at;
    for (const entry of this.#entries) await this.#write(centralHeader(entry));
    await this.#write(endRecords(this.#entries.length, offset, this.#at));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#sink.write(bytes);
    this.#at += bytes.length;
  }
}

/** With an extra field (of PyTorch's own name, "FB") that pads the data to its place. */
function localHeader({ name, crc, size, offset }: Entry): Uint8Array {
  const unpadded = offset + 30 + name.length + 4;
  const padding = (ALIGNMENT - unpadded % ALIGNMENT) % ALIGNMENT;
  const bytes = new Uint8Array(30 + name.length + 4 + padding);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x04034b50, true);
  view.setUint16(12, DATE, true);
  view.setUint32(14, crc, true);
  view.setUint32(18, size, true);
  view.setUint32(22, size, true);
  view.setUint16(26, name.length, true);
  view.setUint16(28, 4 + padding, true);
  bytes.set(name, 30);
  view.setUint16(30 + name.length, 0x4246, true);
  view.setUint16(32 + name.length, padding, true);
  bytes.fill(0x5a, 34 + name.length);
  return bytes;
}

function centralHeader({ name, crc, size, offset }: Entry): Uint8Array {
  const wide = offset >= FULL32;
  const bytes = new Uint8Array(46 + name.length + (wide ? 12 : 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(14, DATE, true);
  view.setUint32(16, crc, true);
  view.setUint32(20, size, true);
  view.setUint32(24, size, true);
  view.setUint16(28, name.length, true);
  view.setUint16(30, wide ? 12 : 0, true);
  view.setUint32(42, wide ? FULL32 : offset, true);
  bytes.set(name, 46);
  if (!wide) return bytes;
  view.setUint16(46 + name.length, 1, true);
  view.setUint16(48 + name.length, 8, true);
  view.setBigUint64(50 + name.length, BigInt(offset), true);
  return bytes;
}

function endRecords(count: number, offset: number, end: number): Uint8Array {
  const wide = offset >= FULL32 || end - offset >= FULL32 || count >= FULL16;
  const bytes = new Uint8Array((wide ? 76 : 0) + 22);
  const view = new DataView(bytes.buffer);
  if (wide) {
    view.setUint32(0, 0x06064b50, true);
    view.setBigUint64(4, 44n, true);
    view.setBigUint64(24, BigInt(count), true);
    view.setBigUint64(32, BigInt(count), true);
    view.setBigUint64(40, BigInt(end - offset), true);
    view.setBigUint64(48, BigInt(offset), true);
    view.setUint32(56, 0x07064b50, true);
    view.setBigUint64(64, BigInt(end), true);
    view.setUint32(72, 1, true);
  }
  const at = bytes.length - 22;
  view.setUint32(at, 0x06054b50, true);
  view.setUint16(at + 8, Math.min(count, FULL16), true);
  view.setUint16(at + 10, Math.min(count, FULL16), true);
  view.setUint32(at + 12, wide ? FULL32 : end - offset, true);
  view.setUint32(at + 16, wide ? FULL32 : offset, true);
  return bytes;
}
