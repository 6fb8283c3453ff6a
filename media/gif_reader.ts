import { joinBytes, viewOf } from "../files/bytes.ts";
import { checkSize } from "./budget.ts";
import { MediaError } from "./errors.ts";
import type { FrameStream, LazyFrame } from "./frame_stream.ts";

/** One picture of the animation, still compressed. */
interface Block {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly interlaced: boolean;
  readonly palette: Uint8Array;
  readonly codeSize: number;
  readonly data: Uint8Array;
  readonly transparent: number | undefined;
  /** What to do with the picture before the next: 2 clears its area, 3 undoes it. */
  readonly disposal: number;
}

/** Most pixels of all pictures: a few bytes can announce a large one. */
const MOST_PAINTED = 2 ** 31;

/** A parsed animation, still compressed. */
interface Gif {
  readonly width: number;
  readonly height: number;
  readonly blocks: Block[];
  readonly seconds: number;
  readonly comments: string[];
  readonly isCutOff: boolean;
}

/**
 * Opens an animated GIF. Each frame is the whole picture as it is shown; unpainted pixels are
 * black.
 *
 * @throws {MediaError} without the file's name, when it is damaged
 * Source: GIF89a specification
 */
export function openGif(bytes: Uint8Array, path: string): FrameStream {
  const gif = parseGif(bytes);
  return {
    frames: composeFrames(gif),
    announced: { width: gif.width, height: gif.height, count: gif.blocks.length, isFloat: false },
    fps: gif.seconds > 0 ? gif.blocks.length / gif.seconds : undefined,
    lossy: true, // 256 colours
    warnings: gif.isCutOff ? [`"${path}" is cut off: only its beginning can be read`] : [],
  };
}

/** The comments of a GIF. */
export function readGifComments(bytes: Uint8Array): string[] {
  return parseGif(bytes).comments;
}

function parseGif(bytes: Uint8Array): Gif {
  const view = viewOf(bytes);
  if (bytes.length < 13) throw new MediaError("it is cut off");
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  if (width === 0 || height === 0) {
    throw new MediaError(`invalid size ${width}x${height}`);
  }
  checkSize(width, height);
  const reader = new BlockReader(bytes);
  const globalPalette = reader.palette(bytes[10]!);
  const blocks: Block[] = [];
  const comments: string[] = [];
  let seconds = 0;
  let control = { transparent: undefined as number | undefined, disposal: 0 };
  let isCutOff = false;
  try {
    for (let mark = reader.byte(); mark !== 0x3b; mark = reader.byte()) {
      if (mark === 0x2c) {
        blocks.push({ ...reader.picture(globalPalette), ...control });
        control = { transparent: undefined, disposal: 0 };
      } else if (mark === 0x21) {
        const kind = reader.byte();
        const data = reader.subBlocks();
        if (kind === 0xfe) comments.push(new TextDecoder().decode(data));
        if (kind === 0xf9 && data.length >= 4) {
          control = {
            transparent: data[0]! & 1 ? data[3]! : undefined,
            disposal: (data[0]! >> 2) & 7,
          };
          seconds += (data[1]! | data[2]! << 8) / 100;
        }
      } else if (mark !== 0) throw new MediaError("it is damaged");
    }
  } catch (error) {
    if (blocks.length === 0) throw error;
    isCutOff = true;
  }
  const painted = blocks.reduce((sum, block) => sum + block.width * block.height, 0);
  if (painted > MOST_PAINTED || blocks.length * width * height > 2 * MOST_PAINTED) {
    throw new MediaError("its pictures are too large in total");
  }
  return { width, height, blocks, seconds, comments, isCutOff };
}

class BlockReader {
  #at = 13;

  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    return this.#take(1)[0]!;
  }

  /** A colour table whose flags are `packed`; empty if there is none. */
  palette(packed: number): Uint8Array {
    return packed & 0x80 ? this.#take(3 * 2 ** ((packed & 7) + 1)) : new Uint8Array(0);
  }

  picture(globalPalette: Uint8Array) {
    const head = this.#take(9);
    const u16 = (at: number) => head[at]! | head[at + 1]! << 8;
    const own = this.palette(head[8]!);
    const codeSize = this.byte();
    if (codeSize < 1 || codeSize > 11) throw new MediaError("it is damaged");
    return {
      left: u16(0),
      top: u16(2),
      width: u16(4),
      height: u16(6),
      interlaced: (head[8]! & 0x40) !== 0,
      palette: own.length > 0 ? own : globalPalette,
      codeSize,
      data: this.subBlocks(),
    };
  }

  /** Chained pieces of up to 255 bytes, joined. */
  subBlocks(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let size = this.byte(); size > 0; size = this.byte()) parts.push(this.#take(size));
    return joinBytes(parts);
  }

  #take(length: number): Uint8Array {
    if (this.#at + length > this.bytes.length) throw new MediaError("it is cut off");
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }
}

function* composeFrames({ width, height, blocks }: Gif): Generator<LazyFrame> {
  const canvas = new Uint8Array(width * height * 3);
  for (const [index, block] of blocks.entries()) {
    const before = block.disposal === 3 ? canvas.slice() : undefined;
    paint(canvas, width, height, block, unpack(block));
    yield { index, pixels: () => ({ width, height, data: canvas.slice() }) };
    if (before) canvas.set(before);
    if (block.disposal === 2) clear(canvas, width, height, block);
  }
}

function paint(
  canvas: Uint8Array,
  width: number,
  height: number,
  block: Block,
  indices: Uint8Array,
) {
  const rows = block.interlaced ? interlacedRows(block.height) : undefined;
  for (let row = 0; row < block.height; row++) {
    const y = block.top + (rows ? rows[row]! : row);
    if (y >= height) continue;
    for (let column = 0; column < block.width && block.left + column < width; column++) {
      const index = indices[row * block.width + column]!;
      if (index === block.transparent) continue;
      const colour = block.palette.subarray(index * 3, index * 3 + 3);
      canvas.set(colour, (y * width + block.left + column) * 3);
    }
  }
}

function clear(canvas: Uint8Array, width: number, height: number, block: Block): void {
  const right = Math.min(width, block.left + block.width);
  for (let y = block.top; y < Math.min(height, block.top + block.height); y++) {
    canvas.fill(0, (y * width + block.left) * 3, (y * width + right) * 3);
  }
}

/** Rows come in four passes: every 8th, every 8th from 4, every 4th from 2, every 2nd from 1. */
function interlacedRows(height: number): number[] {
  const rows: number[] = [];
  for (const [first, step] of [[0, 8], [4, 8], [2, 4], [1, 2]] as const) {
    for (let row = first; row < height; row += step) rows.push(row);
  }
  return rows;
}

/** Decompresses LZW; missing pixels are 0. */
function unpack({ width, height, codeSize, data }: Block): Uint8Array {
  checkSize(width, height);
  const pixels = width * height;
  const out = new Uint8Array(pixels);
  const clearCode = 1 << codeSize;
  // A code stands for the string of its prefix and one more byte.
  const prefix = new Uint16Array(4096);
  const suffix = new Uint8Array(4096).map((_, i) => i & 255);
  const stack = new Uint8Array(4097);
  let [bits, next, previous, first, at] = [codeSize + 1, clearCode + 2, -1, 0, 0];
  for (let position = 0; position + bits <= data.length * 8 && at < pixels;) {
    const code = bitsAt(data, position, bits);
    position += bits;
    if (code === clearCode) {
      [bits, next, previous] = [codeSize + 1, clearCode + 2, -1];
      continue;
    }
    if (code === clearCode + 1 || code > next || (code === next && previous < 0)) break;
    let depth = 0;
    let walk = code;
    if (code === next) {
      stack[depth++] = first;
      walk = previous;
    }
    for (; walk >= clearCode; walk = prefix[walk]!) stack[depth++] = suffix[walk]!;
    first = walk;
    out[at++] = first;
    while (depth > 0 && at < pixels) out[at++] = stack[--depth]!;
    if (previous >= 0 && next < 4096) {
      prefix[next] = previous;
      suffix[next++] = first;
      if (next === 1 << bits && bits < 12) bits++;
    }
    previous = code;
  }
  return out;
}

function bitsAt(data: Uint8Array, position: number, bits: number): number {
  const at = position >> 3;
  const word = data[at]! | (data[at + 1] ?? 0) << 8 | (data[at + 2] ?? 0) << 16;
  return (word >> (position & 7)) & ((1 << bits) - 1);
}
