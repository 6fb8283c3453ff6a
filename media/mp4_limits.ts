import { ByteReader } from "./byte_reader.ts";
import { MediaError } from "./errors.ts";

/** Boxes that only hold other boxes, on the way to the tables of samples. */
const CONTAINERS = new Set(["moov", "trak", "mdia", "minf", "stbl", "moof", "traf", "mvex"]);
/** What the first box of an MP4 or MOV may be. */
const FIRST_BOXES = new Set([
  "ftyp",
  "moov",
  "mdat",
  "wide",
  "free",
  "skip",
  "pnot",
  "styp",
  "moof",
]);
/** Tables of runs of samples: each entry begins with a count, `bytes` long all in all. */
const RUNS: Readonly<Record<string, number>> = { stts: 8, ctts: 8 };

/**
 * Refuses MP4 tables that announce more samples than the file has bytes. The demuxer trusts their
 * counts: a file of 1 kB could keep it busy for hours or take gigabytes.
 *
 * @throws {MediaError} without the file's name, when the counts cannot be
 * Source: ISO/IEC 14496-12, clause 8
 */
export async function checkMp4Tables(path: string): Promise<void> {
  using file = await ByteReader.open(path);
  for (let at = 0; at + 8 <= file.size;) {
    const head = viewOf(await file.read(at, Math.min(16, file.size - at)));
    const type = typeAt(head, 4);
    if (at === 0 && !FIRST_BOXES.has(type)) return; // Not an MP4.
    const end = at + sizeOf(head, file.size - at);
    if (end <= at) return;
    if (type === "moov" || type === "moof") {
      const box = viewOf(await file.read(at, Math.min(end, file.size) - at));
      checkBoxes(box, headerBytes(head), box.byteLength, file.size);
    }
    at = end;
  }
}

function checkBoxes(view: DataView, from: number, to: number, most: number): void {
  for (let at = from; at + 8 <= to;) {
    const rest = new DataView(view.buffer, view.byteOffset + at, to - at);
    const size = sizeOf(rest, to - at);
    if (size < 8) return;
    const end = Math.min(at + size, to);
    const type = typeAt(view, at + 4);
    const start = at + headerBytes(rest);
    if (CONTAINERS.has(type)) checkBoxes(view, start, end, most);
    else {checkTable(
        type,
        new DataView(view.buffer, view.byteOffset + start, Math.max(0, end - start)),
        most,
      );}
    at = end;
  }
}

/** Counts the samples of one table. */
function checkTable(type: string, view: DataView, most: number): void {
  let samples = 0;
  const entryBytes = RUNS[type];
  if (entryBytes) {
    for (let at = 8; at + entryBytes <= view.byteLength; at += entryBytes) {
      samples += view.getUint32(at);
    }
  } else if ((type === "stsz" || type === "stz2") && view.byteLength >= 12) {
    samples = view.getUint32(8);
  } else if (type === "trun" && view.byteLength >= 8) {
    samples = view.getUint32(4);
  }
  if (samples > most) {
    throw new MediaError(`it is damaged: it announces ${samples} frames in ${most} bytes`);
  }
}

/** Bytes of a box with its header; 0 stands for all that is left, 1 for a 64-bit size. */
function sizeOf(view: DataView, left: number): number {
  const size = view.getUint32(0);
  if (size === 0) return left;
  if (size > 1) return size;
  return view.byteLength >= 16 ? Number(view.getBigUint64(8)) : 0;
}

function headerBytes(view: DataView): number {
  return view.getUint32(0) === 1 ? 16 : 8;
}

function typeAt(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
