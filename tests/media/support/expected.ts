import type { FloatFrame, RgbFrame } from "../../../media/frames.ts";
import { toRgb } from "../../../media/frames.ts";
import expected from "../../fixtures/media/expected.json" with { type: "json" };

/** What ffmpeg read from a fixture: frames as the mean colours of 4x4 cells. */
export interface Expected {
  readonly width: number;
  readonly height: number;
  readonly frames: number[][];
}

/** Path of a file in tests/fixtures/media. */
export function fixture(name: string): string {
  return `${import.meta.dirname}/../../fixtures/media/${name}`;
}

/** ffmpeg's reading of a fixture. */
export function expectedOf(name: string): Expected {
  return (expected as Record<string, Expected>)[name]!;
}

/** Mean colours of 4x4 cells, rows first, as describe.ts computes them. */
export function cells(frame: RgbFrame | FloatFrame): number[] {
  const { width, height, data } = toRgb(frame);
  const means: number[] = [];
  const border = (part: number, size: number) => Math.floor(part * size / 4);
  for (let cell = 0; cell < 16; cell++) {
    const [row, column] = [cell >> 2, cell & 3];
    const sum = [0, 0, 0];
    let count = 0;
    for (let y = border(row, height); y < border(row + 1, height); y++) {
      for (let x = border(column, width); x < border(column + 1, width); x++, count++) {
        for (let c = 0; c < 3; c++) sum[c]! += data[(y * width + x) * 3 + c]!;
      }
    }
    means.push(...sum.map((value) => value / count));
  }
  return means;
}

/** The largest difference between cells of a frame and what ffmpeg saw, in levels of 255. */
export function distance(frame: RgbFrame | FloatFrame, seen: number[]): number {
  return Math.max(...cells(frame).map((value, k) => Math.abs(value - seen[k]!)));
}
