import type { RgbFrame } from "./frames.ts";

/** Size of a letter, in pixels; a pixel is left free after each. */
const WIDTH = 3;
const HEIGHT = 5;

/** Each letter's rows from the top, three bits a row as one octal digit: 4 is the left pixel. */
const GLYPHS: Readonly<Record<string, string>> = {
  "0": "75557",
  "1": "26227",
  "2": "71747",
  "3": "71717",
  "4": "55711", // deno-fmt-ignore
  "5": "74717",
  "6": "74757",
  "7": "71122",
  "8": "75757",
  "9": "75717",
  a: "25755",
  b: "65656",
  c: "34443",
  d: "65556",
  e: "74647",
  f: "74644",
  g: "34553",
  h: "55755",
  i: "72227",
  j: "11152",
  k: "55655",
  l: "44447",
  m: "57755",
  n: "75555",
  o: "25552",
  p: "65644",
  q: "25563",
  r: "65655",
  s: "34216",
  t: "72222",
  u: "55557",
  v: "55552",
  w: "55775",
  x: "55255",
  y: "55222",
  z: "71247",
  " ": "00000",
  "-": "00700",
  "_": "00007",
  ".": "00002",
  "+": "02720",
  "*": "05250",
};
const UNKNOWN = "71202";

/** Height of a line of text. */
export function textHeight(scale: number): number {
  return HEIGHT * scale;
}

/** How many letters fit across. */
export function lettersAcross(pixels: number, scale: number): number {
  return Math.floor((pixels + scale) / ((WIDTH + 1) * scale));
}

/** Draws a line of text, small letters for capitals, into a picture. */
export function drawText(
  { width, height, data }: RgbFrame,
  text: string,
  { left, top, scale, level }: { left: number; top: number; scale: number; level: number },
): void {
  for (const [at, letter] of [...text.toLowerCase()].entries()) {
    const glyph = GLYPHS[letter] ?? UNKNOWN;
    for (let y = 0; y < HEIGHT * scale; y++) {
      const bits = Number(glyph[Math.floor(y / scale)]);
      for (let x = 0; x < WIDTH * scale; x++) {
        const column = left + at * (WIDTH + 1) * scale + x;
        const row = top + y;
        const isSet = bits & (4 >> Math.floor(x / scale));
        if (!isSet || column >= width || row >= height) continue;
        data.fill(level, 3 * (row * width + column), 3 * (row * width + column) + 3);
      }
    }
  }
}
