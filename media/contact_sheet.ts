import type { RgbFrame } from "./frames.ts";
import { drawText, lettersAcross, textHeight } from "./tiny_font.ts";

/** What a contact sheet says of its pictures. */
export interface SheetLabels {
  /** Number of the first picture. */
  readonly first: number;
  /** How many at the beginning were given to the model; they have a border. */
  readonly given: number;
  /** A word for each picture, as its action. */
  readonly captions?: readonly string[];
}

/** Pixels between pictures, and their grey level. */
const GAP = 2;
const GAP_LEVEL = 32;
/** Colour of the border of given frames, in the gap around them. */
const GIVEN = [240, 170, 40] as const;
const TEXT_LEVEL = 220;
/** Up to 8 rows of 8; larger sheets are square. */
const COLUMNS = 8;
/** Pixels of a picture's width for each pixel of a letter. */
const WIDTH_PER_DOT = 64;

/**
 * Places pictures of one size in rows, in reading order. With labels there is a margin, and below
 * each picture its number and caption.
 * @param level grey between the pictures
 */
export function contactSheet(
  frames: readonly RgbFrame[],
  labels?: SheetLabels,
  level = GAP_LEVEL,
): RgbFrame {
  const { width, height } = frames[0]!;
  const scale = Math.max(1, Math.floor(width / WIDTH_PER_DOT));
  const strip = labels ? textHeight(scale) + 2 * scale : 0;
  const margin = labels ? GAP : 0;
  const square = Math.ceil(Math.sqrt(frames.length));
  const columns = Math.min(frames.length, frames.length <= COLUMNS ** 2 ? COLUMNS : square);
  const rows = Math.ceil(frames.length / columns);
  const sheet = {
    width: columns * (width + GAP) - GAP + 2 * margin,
    height: rows * (height + strip + GAP) - GAP + 2 * margin,
  };
  const data = new Uint8Array(sheet.width * sheet.height * 3).fill(level);
  const picture = { ...sheet, data };
  frames.forEach((frame, k) => {
    const left = margin + (k % columns) * (width + GAP);
    const top = margin + Math.floor(k / columns) * (height + strip + GAP);
    if (labels && k < labels.given) {
      fillRectangle(picture, left - GAP, top - GAP, width + 2 * GAP, height + 2 * GAP);
    }
    for (let y = 0; y < height; y++) {
      const row = frame.data.subarray(y * width * 3, (y + 1) * width * 3);
      data.set(row, ((top + y) * sheet.width + left) * 3);
    }
    if (!labels) return;
    const text = `${labels.first + k} ${labels.captions?.[k] ?? ""}`.trim();
    const fitting = text.slice(0, lettersAcross(width, scale));
    const place = { left, top: top + height + GAP + scale - 1, scale, level: TEXT_LEVEL };
    drawText(picture, fitting, place);
  });
  return picture;
}

function fillRectangle(
  { width: across, data }: RgbFrame,
  left: number,
  top: number,
  width: number,
  height: number,
): void {
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) data.set(GIVEN, 3 * (y * across + x));
  }
}
