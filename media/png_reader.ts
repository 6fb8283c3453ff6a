import { joinBytes, viewOf } from "../files/bytes.ts";
import { crc32, inflateSync } from "node:zlib";
import { checkSize } from "./budget.ts";
import { MediaError } from "./errors.ts";
import type { RgbFrame } from "./frames.ts";

/** Of chunks. */
const NAME = /^[A-Za-z]{4}$/;
const CRITICAL = /^[A-Z]/;
/** Samples per pixel, and depths, by colour type. */
const COLOURS: Readonly<Record<number, readonly [samples: number, depths: readonly number[]]>> = {
  0: [1, [1, 2, 4, 8, 16]],
  2: [3, [8, 16]],
  3: [1, [1, 2, 4, 8]],
  4: [2, [8, 16]],
  6: [4, [8, 16]],
};
const PALETTE = 3;
/** First column, first row, and steps of the seven passes of an interlaced picture. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly samples: number;
  readonly passes: readonly (readonly [number, number, number, number])[];
}

/** A parsed PNG, still compressed. */
export interface Png {
  readonly header: Header;
  /** Text by keyword. */
  readonly text: Readonly<Record<string, string>>;
  /** Whether more pictures follow the first (APNG). */
  readonly isAnimated: boolean;
  /** TIFF data with the orientation, if there is any. */
  readonly exif: Uint8Array | undefined;
  readonly palette: Uint8Array | undefined;
  readonly packed: readonly Uint8Array[];
}

/**
 * Parses a PNG. Only the picture is ever unpacked: compressed colour profiles and text may be bombs
 * and are not needed.
 *
 * @throws {MediaError} without the file's name, when it is damaged or too large
 * Source: PNG specification, third edition
 */
export function parsePng(bytes: Uint8Array): Png {
  const view = viewOf(bytes);
  if (bytes.length < 33) throw new MediaError("it is cut off");
  const text: [string, string][] = [];
  const packed: Uint8Array[] = [];
  let [header, palette, exif, isAnimated, isWhole] = [
    undefined as Header | undefined,
    undefined as Uint8Array | undefined,
    undefined as Uint8Array | undefined,
    false,
    false,
  ];
  for (let at = 8; at + 12 <= bytes.length && !isWhole;) {
    const length = view.getUint32(at);
    const name = new TextDecoder("latin1").decode(bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) throw new MediaError("it is cut off");
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw new MediaError("it is damaged: wrong checksum");
    }
    if (!NAME.test(name)) throw new MediaError("it is damaged: a chunk of it has no valid name");
    if (!header && name !== "IHDR") throw new MediaError("it is damaged: it has no header");
    if (name === "IHDR") header = parseHeader(data);
    else if (name === "PLTE") palette = data;
    else if (name === "IDAT") packed.push(data);
    else if (name === "eXIf") exif = data;
    else if (name === "acTL" && length >= 4) isAnimated = view.getUint32(at + 8) > 1;
    else if (name === "tEXt") text.push(textOf(data));
    else if (name === "IEND") isWhole = true;
    else if (CRITICAL.test(name)) throw new MediaError(`it is damaged: chunk "${name}"`);
    at += 12 + length;
  }
  if (!header || !isWhole) throw new MediaError("it is cut off");
  if (header.colour === PALETTE && !palette) throw new MediaError("it is damaged: no palette");
  return { header, palette, exif, isAnimated, packed, text: Object.fromEntries(text) };
}

function parseHeader(data: Uint8Array): Header {
  if (data.length !== 13) throw new MediaError("it is damaged: its header does not have 13 bytes");
  const view = viewOf(data);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour, packing, filter, interlace] = data.subarray(8);
  const [samples, depths] = COLOURS[colour!] ?? [0, []];
  checkSize(width, height);
  if (width === 0 || height === 0 || !depths.includes(depth!) || packing || filter) {
    throw new MediaError("it is damaged: its header is not valid");
  }
  if (interlace! > 1) throw new MediaError("it is damaged: its interlacing method is unknown");
  const passes = interlace ? PASSES : [[0, 0, 1, 1]] as const;
  return { width, height, depth: depth!, colour: colour!, samples, passes };
}

function textOf(data: Uint8Array): [string, string] {
  const decoder = new TextDecoder("latin1");
  const end = data.indexOf(0);
  if (end < 1) return ["comment", decoder.decode(data)];
  return [decoder.decode(data.subarray(0, end)), decoder.decode(data.subarray(end + 1))];
}

/**
 * Unpacks the picture as RGB; transparency is dropped, 16 bits are rounded to 8.
 *
 * @throws {MediaError} without the file's name, when it is damaged
 */
export function unpackPng({ header, palette, packed }: Png): RgbFrame {
  const { width, height } = header;
  const passes = header.passes.map((pass) => sizesOf(header, pass)).filter(({ rows, columns }) =>
    rows > 0 && columns > 0
  );
  const size = passes.reduce((sum, { rows, rowBytes }) => sum + rows * (rowBytes + 1), 0);
  const bytes = inflate(packed, size);
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (const { columns, rows, rowBytes, pass: [x0, y0, stepX, stepY] } of passes) {
    let above = new Uint8Array(rowBytes);
    for (let row = 0; row < rows; row++, at += rowBytes + 1) {
      const line = bytes.subarray(at + 1, at + 1 + rowBytes);
      unfilter(bytes[at]!, line, above, Math.max(1, header.samples * header.depth >> 3));
      const to = (y0 + row * stepY) * width + x0;
      for (let x = 0; x < columns; x++) {
        paint(header, palette, line, x, data, 3 * (to + x * stepX));
      }
      above = line;
    }
  }
  return { width, height, data };
}

function sizesOf(
  { width, height, depth, samples }: Header,
  pass: readonly [number, number, number, number],
) {
  const [x0, y0, stepX, stepY] = pass;
  const columns = Math.max(0, Math.ceil((width - x0) / stepX));
  const rows = Math.max(0, Math.ceil((height - y0) / stepY));
  return { pass, columns, rows, rowBytes: Math.ceil(columns * samples * depth / 8) };
}

/** Unpacks to exactly the size that the header announces. */
function inflate(packed: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array;
  try {
    bytes = inflateSync(joinBytes(packed), { maxOutputLength: size });
  } catch {
    throw new MediaError("it is damaged: its data does not unpack to its size");
  }
  if (bytes.length !== size) throw new MediaError("it is damaged: its picture is too short");
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, size);
}

/** Undoes the filter of a row, in place. `left` is the distance of neighbours in bytes. */
function unfilter(kind: number, line: Uint8Array, above: Uint8Array, left: number): void {
  if (kind > 4) throw new MediaError(`it is damaged: its filter ${kind} is unknown`);
  if (kind === 0) return;
  for (let i = 0; i < line.length; i++) {
    const a = i >= left ? line[i - left]! : 0;
    const b = above[i]!;
    const c = i >= left ? above[i - left]! : 0;
    const guess = kind === 1 ? a : kind === 2 ? b : kind === 3 ? (a + b) >> 1 : paeth(a, b, c);
    line[i] = line[i]! + guess;
  }
}

function paeth(a: number, b: number, c: number): number {
  const [da, db, dc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return da <= db && da <= dc ? a : db <= dc ? b : c;
}

/** Writes pixel `x` of a row to its place. */
function paint(
  { depth, colour, samples }: Header,
  palette: Uint8Array | undefined,
  line: Uint8Array,
  x: number,
  data: Uint8Array,
  to: number,
): void {
  for (let c = 0; c < 3; c++) {
    const value = sampleAt(line, x * samples + (samples > 2 ? c : 0), depth);
    data[to + c] = colour === PALETTE
      ? palette![3 * value + c] ?? 0
      : Math.round(value * 255 / (2 ** depth - 1));
  }
}

function sampleAt(line: Uint8Array, index: number, depth: number): number {
  if (depth === 8) return line[index]!;
  if (depth === 16) return line[2 * index]! << 8 | line[2 * index + 1]!;
  const bit = index * depth;
  return (line[bit >> 3]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}
