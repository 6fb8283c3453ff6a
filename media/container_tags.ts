import { viewOf } from "../files/bytes.ts";
import { MOST_LIST_BYTES } from "./budget.ts";
import { MediaError } from "./errors.ts";
import { type Box, boxesIn, type Bytes, contentOfMeta, topBoxes } from "./mp4_boxes.ts";

// Tags are read without the demuxer, so that a batch can look at thousands of files without a
// thread for each, and no file can keep the program busy: both passes only ever go forwards.

type Tags = Record<string, string>;

/** Common names of titles and comments in MP4 and MOV. */
const COMMON: Readonly<Record<string, "title" | "comment">> = {
  "\xa9nam": "title",
  "titl": "title",
  "com.apple.quicktime.title": "title",
  "title": "title",
  "\xa9cmt": "comment",
  "com.apple.quicktime.comment": "comment",
  "comment": "comment",
};
/** Type of a value in a `data` box: text in UTF-8. */
const UTF8 = 1;

/**
 * Text tags of an MP4, MOV, WebM or Matroska file; none for other files.
 *
 * @throws {MediaError} without the file's name, when it ends too early or has too much text
 * Source: QuickTime File Format, "Metadata"; RFC 9559
 */
export function readContainerTags(file: Bytes): Tags {
  if (file.size < 8) return {};
  const isMatroska = viewOf(file.read(0, 4)).getUint32(0) === EBML;
  return isMatroska ? matroskaTags(file) : mp4Tags(file);
}

function mp4Tags(file: Bytes): Tags {
  const tags: Tags = {};
  for (const { type, start, end } of topBoxes(file)) {
    if (type !== "moov") continue;
    const view = viewOf(file.read(start, end));
    for (
      const box of boxesIn(view, { type, start: 0, end: view.byteLength, depth: 1, holder: "" })
    ) {
      if (box.type === "udta") userData(view, box, tags);
      if (box.type === "meta") metadata(view, box, tags);
    }
  }
  return tags;
}

/** Texts of QuickTime, and the metadata box of MP4. */
function userData(view: DataView, holder: Box, tags: Tags): void {
  for (const box of boxesIn(view, holder)) {
    if (box.type === "meta") metadata(view, box, tags);
    else if (box.type.startsWith("\xa9") && box.end >= box.start + 4) {
      const length = view.getUint16(box.start); // then a language
      const end = Math.min(box.end, box.start + 4 + length);
      add(tags, box.type, textAt(view, box.start + 4, end));
    }
  }
}

/** Names in `keys`, values in `ilst`, which are numbered by their types. */
function metadata(view: DataView, meta: Box, tags: Tags): void {
  const keys: string[] = [];
  for (const box of boxesIn(view, contentOfMeta(view, meta))) {
    if (box.type === "keys") {
      // A version and a count stand before entries that look like boxes.
      const entries = boxesIn(view, { ...box, start: box.start + 8 });
      for (const { start, end } of entries) keys.push(textAt(view, start, end));
    }
    if (box.type !== "ilst") continue;
    for (const item of boxesIn(view, box)) {
      const number = [...item.type].reduce((sum, byte) => sum * 256 + byte.charCodeAt(0), 0);
      const [data] = boxesIn(view, item);
      if (data?.type !== "data" || data.end < data.start + 8) continue;
      if (view.getUint32(data.start) !== UTF8) continue;
      add(tags, keys[number - 1] ?? item.type, textAt(view, data.start + 8, data.end));
    }
  }
}

/** The first of a name counts. */
function add(tags: Tags, name: string, text: string): void {
  put(tags, name, text);
  const common = COMMON[name];
  if (common) put(tags, common, text);
}

function put(tags: Tags, name: string, text: string): void {
  if (Object.hasOwn(tags, name)) return;
  Object.defineProperty(tags, name, {
    value: text,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function textAt(view: DataView, start: number, end: number): string {
  return decode(new Uint8Array(view.buffer, view.byteOffset + start, Math.max(0, end - start)));
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

const EBML = 0x1a45dfa3;
const TITLE = 0x7ba9;
const TAG_NAME = 0x45a3;
const TAG_STRING = 0x4487;
const TAG = 0x7373;
const SIMPLE_TAG = 0x67c8;
/** What a tag is about, if it is not about the whole file: tracks, editions, chapters, files. */
const PARTS = new Set([0x63c5, 0x63c9, 0x63c4, 0x63c6]);
/** Segment, Info, Tags, Tag, Targets and SimpleTag: what lies in them is looked at. */
const ENTERED = new Set([0x18538067, 0x1549a966, 0x1254c367, TAG, 0x63c0, SIMPLE_TAG]);

/** One pass over all elements; those of unknown size are entered. */
function matroskaTags(file: Bytes): Tags {
  const tags: Tags = {};
  let name: string | undefined;
  let isOfWhole = true;
  let left = MOST_LIST_BYTES;
  const text = (start: number, end: number) => {
    left -= end - start;
    if (left < 0) throw new MediaError("it is damaged: its tags are too long");
    return decode(file.read(start, end)).replace(/\0+$/, "");
  };
  for (let at = 0; at < file.size;) {
    const element = elementAt(file, at);
    if (!element) break;
    const { id, start, end } = element;
    if (id === TAG) isOfWhole = true;
    else if (PARTS.has(id)) isOfWhole &&= file.read(start, end).every((byte) => byte === 0);
    else if (id === SIMPLE_TAG) name = undefined;
    else if (id === TAG_NAME) name = text(start, end);
    else if (id === TITLE) put(tags, "title", text(start, end));
    else if (id === TAG_STRING && isOfWhole && name !== undefined) {
      const value = text(start, end);
      put(tags, name, value);
      const common = name.toLowerCase();
      if (common === "title" || common === "comment") put(tags, common, value);
    }
    at = ENTERED.has(id) || end === Infinity ? start : end;
  }
  return tags;
}

/** An element: its id with the length marker, and its content; undefined if that is damaged. */
function elementAt(
  file: Bytes,
  at: number,
): { readonly id: number; readonly start: number; readonly end: number } | undefined {
  const head = file.read(at, Math.min(at + 12, file.size));
  const idBytes = Math.clz32(head[0]!) - 23;
  const sizeBytes = Math.clz32(head[idBytes] ?? 0) - 23;
  if (idBytes > 4 || sizeBytes > 8 || head.length < idBytes + sizeBytes) return undefined;
  const numberOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const id = numberOf(head.subarray(0, idBytes));
  head[idBytes]! &= 0xff >> sizeBytes; // without the marker of the length
  const size = numberOf(head.subarray(idBytes, idBytes + sizeBytes));
  const start = at + idBytes + sizeBytes;
  if (size >= 2 ** (7 * sizeBytes) - 1) return { id, start, end: Infinity };
  const end = start + size;
  return { id, start, end: end > file.size && !ENTERED.has(id) ? file.size : end };
}
