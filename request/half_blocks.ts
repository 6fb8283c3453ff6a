import type { RgbFrame } from "../mod.ts";

/**
 * A picture as text: each character cell is an upper half block whose foreground and background are
 * two pixels, one above the other, in 24-bit colour.
 * @returns one string per line, without line breaks
 */
export function halfBlocks({ width, height, data }: RgbFrame): string[] {
  const lines: string[] = [];
  const colour = (x: number, y: number) => {
    const at = (y * width + x) * 3;
    return `${data[at]};${data[at + 1]};${data[at + 2]}`;
  };
  for (let y = 0; y < height; y += 2) {
    let line = "";
    for (let x = 0; x < width; x++) {
      const below = y + 1 < height ? `\x1b[48;2;${colour(x, y + 1)}m` : "\x1b[49m";
      line += `\x1b[38;2;${colour(x, y)}m${below}▀`;
    }
    lines.push(`${line}\x1b[0m`);
  }
  return lines;
}
