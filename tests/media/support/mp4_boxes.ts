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
