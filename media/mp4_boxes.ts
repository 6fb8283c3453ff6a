import { viewOf } from "../files/bytes.ts";
import { MediaError } from "./errors.ts";

/** Access to a file's bytes. */
export interface Bytes {
  readonly size: number;
  read(start: number, end: number): Uint8Array;
}

/** Possible first boxes of an MP4 or MOV. */
const FIRST_BOXES = new Set([
  ...["ftyp", "moov", "mdat", "wide", "free", "skip", "pnot", "styp", "moof"],
]);
/** In one index. */
export const MOST_BOXES = 100_000;

/** A box: its type, and its payload as positions in what was read. */
export interface Box {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
  /** Type of the box around it. */
  readonly holder: string;
}

/**
 * The boxes of a file that are in no other, with their places in it; none if it is not an MP4 or
 * MOV. The last may announce more than there is.
 */
export function* topBoxes(file: Bytes): Generator<Box> {
  for (let at = 0; at + 8 <= file.size;) {
    const head = viewOf(file.read(at, Math.min(at + 16, file.size)));
    const type = typeAt(head, 4);
    if (at === 0 && !FIRST_BOXES.has(type)) return;
    const end = at + sizeOf(head, 0, file.size - at);
    if (end < at + 8) return;
    const start = Math.min(end, file.size, at + headerBytes(head, 0));
    yield { type, start, end: Math.min(end, file.size), depth: 1, holder: "" };
    at = end;
  }
}

/** The boxes directly in another. @throws {MediaError} there are too many */
export function boxesIn(view: DataView, { type: holder, start, end, depth }: Box): Box[] {
  const boxes: Box[] = [];
  for (let at = start; at + 8 <= end;) {
    const size = sizeOf(view, at, end - at);
    if (size < 8) break;
    const next = Math.min(at + size, end);
    const payload = Math.min(next, at + headerBytes(view, at));
    const type = typeAt(view, at + 4);
    boxes.push({ type, start: payload, end: next, depth: depth + 1, holder });
    if (boxes.length > MOST_BOXES) throw new MediaError("it is damaged: it has too many boxes");
    at = next;
  }
  return boxes;
}

/** Where boxes begin in a `meta`: MP4 puts a version before them, QuickTime does not. */
export function contentOfMeta(view: DataView, meta: Box): Box {
  const hasVersion = meta.end >= meta.start + 4 && view.getUint32(meta.start) === 0;
  return { ...meta, start: meta.start + (hasVersion ? 4 : 0) };
}

function headerBytes(view: DataView, at: number): number {
  return view.getUint32(at) === 1 ? 16 : 8;
}

/** Bytes of a box with its header; 0 means the rest of the file, 1 a 64-bit size. */
function sizeOf(view: DataView, at: number, left: number): number {
  const size = view.getUint32(at);
  if (size === 0) return left;
  if (size > 1) return size;
  return view.byteLength >= at + 16 ? Number(view.getBigUint64(at + 8)) : 0;
}

function typeAt(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}
