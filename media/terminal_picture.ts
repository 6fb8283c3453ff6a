import gifenc from "gifenc";
import { checkFrame, enlarge, type RgbFrame } from "./frames.ts";
import { encodePng } from "./png_writer.ts";

/** Protocol by which a terminal shows pixels. */
export type TerminalGraphics = "kitty" | "iterm2" | "sixel";

/** Size of a picture in the terminal, in characters. */
export interface PictureCells {
  /** Across, in characters. */
  readonly columns: number;
  /** Down, in characters. */
  readonly rows: number;
}

const ESCAPE = "\x1b";

/**
 * The escape sequences that draw a picture at the cursor.
 * @param cells the picture's size in characters; sixel uses screen pixels instead, enlarged by a
 *   whole number that fits characters of 8 x 16
 */
export function terminalPicture(
  frame: RgbFrame,
  graphics: TerminalGraphics,
  cells: PictureCells,
): string {
  checkFrame(frame);
  if (graphics === "kitty") return kittyPicture(frame, cells);
  if (graphics === "iterm2") return itermPicture(frame, cells);
  const fits = Math.min(8 * cells.columns / frame.width, 16 * cells.rows / frame.height);
  return sixelPicture(enlarge(frame, Math.max(1, Math.floor(fits))));
}

/** Longest piece in kitty's protocol. */
const KITTY_PIECE = 4096;

/** Raw RGB in pieces; the picture replaces the previous one, and the cursor stays. */
function kittyPicture({ width, height, data }: RgbFrame, { columns, rows }: PictureCells): string {
  const base64 = data.toBase64();
  let text = "";
  for (let at = 0; at < base64.length; at += KITTY_PIECE) {
    const more = at + KITTY_PIECE < base64.length ? 1 : 0;
    const keys = at === 0
      ? `a=T,f=24,s=${width},v=${height},i=1,p=1,q=2,C=1,c=${columns},r=${rows},m=${more}`
      : `m=${more}`;
    text += `${ESCAPE}_G${keys};${base64.slice(at, at + KITTY_PIECE)}${ESCAPE}\\`;
  }
  return text;
}

function itermPicture(frame: RgbFrame, { columns, rows }: PictureCells): string {
  const png = encodePng(frame);
  const size = `width=${columns};height=${rows};preserveAspectRatio=1`;
  const base64 = png.toBase64();
  return `${ESCAPE}]1337;File=inline=1;size=${png.length};${size};doNotMoveCursor=1:${base64}\x07`;
}

/** Rows of pixels in a line of sixels. */
const SIXEL_ROWS = 6;
const SIXEL_COLOURS = 64;

/** A palette, then the lines, colour by colour, run-length encoded. */
function sixelPicture({ width, height, data }: RgbFrame): string {
  const { palette, pixels } = reduceColours({ width, height, data });
  const percent = (level: number) => Math.round(level * 100 / 255);
  let text = `${ESCAPE}P0;1q"1;1;${width};${height}`;
  for (const [i, [red, green, blue]] of palette.entries()) {
    text += `#${i};2;${percent(red!)};${percent(green!)};${percent(blue!)}`;
  }
  for (let top = 0; top < height; top += SIXEL_ROWS) {
    text += `${sixelLine(pixels, width, top, Math.min(SIXEL_ROWS, height - top))}-`;
  }
  return `${text}${ESCAPE}\\`;
}

function reduceColours({ data }: RgbFrame): { palette: number[][]; pixels: Uint8Array } {
  const rgba = new Uint8Array(data.length / 3 * 4).fill(255);
  for (let i = 0; i < data.length / 3; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  const palette = gifenc.quantize(rgba, SIXEL_COLOURS, { format: "rgb565" });
  return { palette, pixels: gifenc.applyPalette(rgba, palette, "rgb565") };
}

/** Each colour's pixels of up to six rows, as bits of a character. */
function sixelLine(pixels: Uint8Array, width: number, top: number, rows: number): string {
  const lines = new Map<number, Uint8Array>();
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      const colour = pixels[(top + row) * width + x]!;
      let bits = lines.get(colour);
      if (!bits) lines.set(colour, bits = new Uint8Array(width));
      bits[x]! |= 1 << row;
    }
  }
  return [...lines].map(([colour, bits]) => `#${colour}${countEqual(bits)}`).join("$");
}

/** `!12~`: a character repeated twelve times. */
function countEqual(bits: Uint8Array): string {
  let text = "";
  for (let start = 0, end; start < bits.length; start = end) {
    end = start + 1;
    while (end < bits.length && bits[end] === bits[start]) end++;
    const character = String.fromCharCode(63 + bits[start]!);
    text += end - start > 3 ? `!${end - start}${character}` : character.repeat(end - start);
  }
  return text;
}
