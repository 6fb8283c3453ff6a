/** Builds MP4 files box by box, hostile ones, too. */

const text = (letters: string) => Uint8Array.from(letters, (c) => c.charCodeAt(0));

/** Whole numbers of 32 bits, the first byte first. */
export function u32(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return new Uint8Array(view.buffer);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function box(type: string, ...content: readonly Uint8Array[]): Uint8Array {
  const inner = join(...content);
  return join(u32(8 + inner.length), text(type), inner);
}

/** A box in others, the outermost first. */
export function within(types: readonly string[], inner: Uint8Array): Uint8Array {
  return types.reduceRight((content, type) => box(type, content), inner);
}

/** The boxes of one type in a file that is whole. */
export function find(file: Uint8Array, type: string): Uint8Array {
  const at = String.fromCharCode(...file).indexOf(type) - 4;
  return file.subarray(at, at + new DataView(file.buffer, file.byteOffset).getUint32(at));
}

/**
 * A video of `frames` frames in one chunk: to list them, the demuxer takes frames² steps.
 * @param like a file whose codec it has
 */
export function slowVideo(like: Uint8Array, frames: number): Uint8Array<ArrayBuffer> {
  const stbl = box(
    "stbl",
    find(like, "stsd"),
    box("stts", u32(0, 1, frames, 1)),
    box("stsc", u32(0, 1, 1, frames, 1)),
    box("stsz", u32(0, 0, frames), new Uint8Array(4 * frames)),
    box("stco", u32(0, 1, 8)),
  );
  const media = box("mdia", find(like, "mdhd"), find(like, "hdlr"), box("minf", stbl));
  const track = box("trak", find(like, "tkhd"), media);
  return join(box("ftyp", text("isom"), u32(512)), box("moov", find(like, "mvhd"), track));
}

/** Media time of an edit that shows nothing. */
export const EMPTY = -1;

/** A part of an edit list. */
export interface Edit {
  /** In units of the movie's scale. */
  readonly length: number;
  /** In units of the track's scale, or `EMPTY`. */
  readonly from: number;
  /** 1 unless told. */
  readonly rate?: number;
}

/** An edit list in 32 or 64 bits. */
export function editList(edits: readonly Edit[], isWide = false): Uint8Array {
  const entries = edits.map(({ length, from, rate = 1 }) => {
    const speed = u32(Math.round(rate * 2 ** 16));
    if (!isWide) return join(u32(length, from >>> 0), speed);
    return join(u32(0, length, from < 0 ? ALL : 0, from >>> 0), speed);
  });
  const version = isWide ? 0x01000000 : 0;
  return box("edts", box("elst", u32(version, edits.length), ...entries));
}

const ALL = 0xffffffff;

/** A file of one track, whose index comes last, with another edit list, or none. */
export function withEdits(file: Uint8Array, edits: Uint8Array): Uint8Array<ArrayBuffer> {
  const at = file.length - find(file, "moov").length;
  const track = join(find(file, "tkhd"), edits, find(file, "mdia"));
  return join(file.subarray(0, at), box("moov", find(file, "mvhd"), box("trak", track)));
}

/** The same with another display matrix: its upper left numbers, and the shift that they need. */
export function withMatrix(
  file: Uint8Array,
  [a, b, c, d]: readonly [number, number, number, number],
): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(file);
  const header = find(copy, "tkhd");
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(84), view.getUint32(88)];
  const x = Math.max(0, -(a * width)) + Math.max(0, -(c * height));
  const y = Math.max(0, -(b * width)) + Math.max(0, -(d * height));
  const one = 2 ** 16;
  const matrix = [a * one, b * one, 0, c * one, d * one, 0, x, y, 2 ** 30];
  matrix.forEach((value, i) => view.setInt32(48 + 4 * i, value));
  return copy;
}
