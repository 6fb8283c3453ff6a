import { viewOf } from "../files/bytes.ts";
import { MediaError } from "./errors.ts";
import { type Box, boxesIn, type Bytes, contentOfMeta, MOST_BOXES, topBoxes } from "./mp4_boxes.ts";

/** The part of a track that is shown. */
export interface EditList {
  /** When it begins, in seconds: after what shows nothing. */
  readonly start: number;
  /** When it ends. */
  readonly end: number;
  /** Whether there is none, more than one, one at another speed, or something after it. */
  readonly isComplex: boolean;
}

/** Boxes that only contain other boxes. */
const CONTAINERS = new Set([
  ...["moov", "trak", "mdia", "minf", "stbl", "edts", "udta"],
  ...["moof", "traf", "mvex", "mfra", "dinf", "sinf", "schi", "wave"],
]);
/** Where in a sample entry boxes may begin, after fields of video or of sound in three versions. */
const ENTRY_FIELDS = [78, 28, 44, 64];
/** Top-level boxes that are examined. */
const INDEXES = new Set(["moov", "moof", "mfra"]);
/** No honest writer nests deeper, and the demuxer walks boxes recursively. */
const DEEPEST = 32;

/**
 * Offset of a table's entry count (from the beginning of its payload), and the least bytes per
 * entry: 0 if entries may be empty, so that the file's size is the limit.
 */
const TABLES: Readonly<Record<string, readonly [at: number, entryBytes: number]>> = {
  stts: [4, 8],
  ctts: [4, 8],
  stsc: [4, 12],
  stco: [4, 4],
  co64: [4, 8],
  stss: [4, 4],
  stsd: [4, 8],
  elst: [4, 12],
  keys: [4, 8],
  tfra: [12, 11],
  stsz: [8, 0],
  stz2: [8, 0],
  trun: [4, 0],
  senc: [4, 0],
};
/** The demuxer counts through a whole chunk for each sample of it. */
const MOST_STEPS = 2 ** 32;
/** Tables of runs: each entry begins with a number of samples. */
const RUNS = new Set(["stts", "ctts"]);

/** Results of the walk. */
interface Gathered {
  readonly size: number;
  movieScale: number;
  track: number;
  /** Samples of the track that each have a size, and the most in one chunk. */
  samples: number;
  perChunk: number;
  readonly edits: Map<number, EditList>;
}

/**
 * Refuses MP4 tables that announce more entries than their box holds, or more samples than the file
 * has bytes. The demuxer trusts their counts: a file of 1 kB could keep it busy for hours or take
 * gigabytes.
 *
 * @returns edit lists by track id; none for other containers
 * @throws {MediaError} without the file's name, if the counts are impossible Source: ISO/IEC
 * 14496-12, clause 8
 */
export function checkMp4Tables(file: Bytes): ReadonlyMap<number, EditList> {
  const found: Gathered = {
    size: file.size,
    movieScale: 1,
    track: 0,
    samples: 0,
    perChunk: 0,
    edits: new Map(),
  };
  for (const { type, start, end } of topBoxes(file)) {
    if (INDEXES.has(type)) walkBoxes(viewOf(file.read(start, end)), type, found);
  }
  return found.edits;
}

/** Checks every box without recursion, since a stranger decides how deep they nest. */
function walkBoxes(view: DataView, type: string, found: Gathered): void {
  const stack: Box[] = [{ type, start: 0, end: view.byteLength, depth: 1, holder: "" }];
  let left = MOST_BOXES;
  for (let box = stack.pop(); box; box = stack.pop()) {
    if (--left < 0) throw new MediaError("it is damaged: it has too many boxes");
    if (box.depth > DEEPEST) throw new MediaError("it is damaged: its boxes nest too deep");
    if (!CONTAINERS.has(box.type)) checkBox(box, view, found);
    for (const inner of innerBoxes(box, view).reverse()) stack.push(inner);
  }
}

/** The boxes in a box, wherever the demuxer may look for them. */
function innerBoxes(box: Box, view: DataView): Box[] {
  if (CONTAINERS.has(box.type)) return boxesIn(view, box);
  if (box.type === "meta") return boxesIn(view, contentOfMeta(view, box));
  let starts: readonly number[] = [];
  if (box.holder === "stsd") starts = ENTRY_FIELDS;
  else if (box.type === "stsd") starts = [8];
  return starts.flatMap((at) => boxesIn(view, { ...box, start: box.start + at }));
}

function checkBox({ type, start, end }: Box, whole: DataView, found: Gathered): void {
  const view = new DataView(whole.buffer, whole.byteOffset + start, end - start);
  checkTable(type, view, found.size);
  if (type === "stsc") found.perChunk = Math.max(found.perChunk, checkChunks(view, found.size));
  if (type === "stsz" && view.byteLength >= 12 && view.getUint32(4) === 0) {
    found.samples = view.getUint32(8);
  }
  if (found.samples * found.perChunk > MOST_STEPS) {
    throw new MediaError(`it is damaged: it announces ${found.perChunk} frames in one chunk`);
  }
  if (type === "pssh") checkPssh(view);
  if (type === "saiz") checkSaiz(view, found.size);
  if (type === "mvhd" && view.byteLength >= 24) {
    found.movieScale = view.getUint32(view.getUint8(0) === 1 ? 20 : 12) || 1;
  }
  if (type === "tkhd" && view.byteLength >= 24) {
    [found.samples, found.perChunk] = [0, 0];
    found.track = view.getUint32(view.getUint8(0) === 1 ? 20 : 12);
  }
  if (type === "elst" && view.byteLength >= 8) {
    found.edits.set(found.track, readEdits(view, found.movieScale));
  }
}

function checkTable(type: string, view: DataView, most: number): void {
  const [at, entryBytes] = TABLES[type] ?? [0, 0];
  if (at === 0 || view.byteLength < at + 4) return;
  const entries = view.getUint32(at);
  if (entryBytes === 0) return checkSamples(entries, most);
  if (entries > Math.ceil((view.byteLength - at - 4) / entryBytes)) {
    throw new MediaError(`it is damaged: it announces ${entries} entries in "${type}"`);
  }
  if (!RUNS.has(type)) return;
  let samples = 0;
  for (let k = at + 4; k + 8 <= view.byteLength; k += 8) samples += view.getUint32(k);
  checkSamples(samples, most);
}

/**
 * Chunks in rising order, each with a possible number of samples.
 *
 * @returns the most in one chunk
 */
function checkChunks(view: DataView, most: number): number {
  let [largest, last] = [0, 0];
  const end = view.byteLength < 8 ? 0 : Math.min(view.byteLength, 8 + 12 * view.getUint32(4));
  for (let k = 8; k + 12 <= end; k += 12) {
    const [first, samples] = [view.getUint32(k), view.getUint32(k + 4)];
    if (first <= last) throw new MediaError('it is damaged: chunks in "stsc" are out of order');
    checkSamples(first, most);
    checkSamples(samples, most);
    [largest, last] = [Math.max(largest, samples), first];
  }
  return largest;
}

/** Key ids of 16 bytes in version 1, then data of a size. Source: ISO/IEC 23001-7 */
function checkPssh(view: DataView): void {
  if (view.byteLength < 24 || view.getUint8(0) === 0) return;
  const keys = view.getUint32(20);
  if (keys > (view.byteLength - 24) / 16) {
    throw new MediaError(`it is damaged: it announces ${keys} entries in "pssh"`);
  }
}

function checkSaiz(view: DataView, most: number): void {
  const at = view.byteLength > 4 && view.getUint32(0) & 1 ? 13 : 5;
  if (view.byteLength >= at + 4) checkSamples(view.getUint32(at), most);
}

function checkSamples(samples: number, most: number): void {
  if (samples > most) {
    throw new MediaError(`it is damaged: it announces ${samples} frames in ${most} bytes`);
  }
}

/**
 * Finds the displayed part. An entry with media time -1 shows nothing; one of length 0 goes to the
 * end.
 */
function readEdits(view: DataView, movieScale: number): EditList {
  const isWide = view.getUint8(0) === 1;
  const [entryBytes, word] = isWide ? [20, 8] : [12, 4];
  const count = Math.min(view.getUint32(4), Math.floor((view.byteLength - 8) / entryBytes));
  if (count === 0) return { start: 0, end: Infinity, isComplex: false };
  let [start, end, isFound, isComplex] = [0, 0, false, false];
  for (let k = 0; k < count; k++) {
    const at = 8 + k * entryBytes;
    const length = isWide ? Number(view.getBigUint64(at)) : view.getUint32(at);
    const media = isWide ? Number(view.getBigInt64(at + word)) : view.getInt32(at + word);
    if (isFound) isComplex = true;
    else if (media === -1) start += length / movieScale;
    else {
      isFound = true;
      end = length === 0 ? Infinity : start + length / movieScale;
      isComplex = view.getUint32(at + 2 * word) !== 0x10000;
    }
  }
  return { start, end, isComplex: isComplex || !isFound };
}
