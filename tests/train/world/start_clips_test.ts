import assert from "node:assert/strict";
import { placesToStart } from "../../../train/world/start_clips.ts";

const CLIPS: [name: string, detail: number[], count: number, most: number, places: number[]][] = [
  ["shorter than two windows", [1, 2, 3], 2, 4, [0]],
  ["as long as a window", [1, 2], 2, 4, [0]],
  ["two windows", [0, 0, 5, 5], 2, 1, [2]],
  ["all the same", [3, 3, 3, 3, 3, 3], 2, 1, [0]],
  ["one in each half", [0, 0, 9, 9, 8, 8, 0, 0], 2, 2, [2, 4]],
  ["fewer windows than asked for", [0, 0, 9, 9, 8, 8], 2, 4, [0, 2, 4]],
  ["windows of one frame", [1, 7, 2], 1, 1, [1]],
  ["uneven parts", [0, 1, 0, 5, 0], 1, 2, [1, 3]],
];

for (const [name, detail, count, most, places] of CLIPS) {
  Deno.test(`placesToStart() finds what there is to see: ${name}`, () => {
    assert.deepEqual(placesToStart(detail, count, most), places);
  });
}
