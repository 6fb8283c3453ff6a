import assert from "node:assert/strict";
import { contactSheet } from "../../media/contact_sheet.ts";
import type { RgbFrame } from "../../media/frames.ts";

function grey(width: number, height: number, level: number): RgbFrame {
  return { width, height, data: new Uint8Array(width * height * 3).fill(level) };
}

function pixel({ width, data }: RgbFrame, x: number, y: number): number[] {
  return [...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)];
}

/** The picture as letters: `#` where text is, `o` the border, `.` the gap, digits the frames. */
function drawn(sheet: RgbFrame): string[] {
  return Array.from(
    { length: sheet.height },
    (_, y) =>
      Array.from({ length: sheet.width }, (_, x) => {
        const [red, green] = pixel(sheet, x, y) as [number, number];
        return red !== green ? "o" : red === 220 ? "#" : red === 32 ? "." : String(red / 100);
      }).join(""),
  );
}

Deno.test("contactSheet() numbers pictures, frames those given, and says the actions", () => {
  const frames = [grey(7, 2, 100), grey(7, 2, 200)];
  const sheet = contactSheet(frames, { first: 4, given: 1, captions: ["a", "left"] });
  assert.deepEqual(
    drawn(sheet),
    [
      "ooooooooooo.........",
      "ooooooooooo.........",
      "oo1111111oo2222222..",
      "oo1111111oo2222222..",
      "ooooooooooo.........",
      "ooooooooooo.........",
      "..#.#......###......",
      "..#.#......#........",
      "..###......###......",
      "....#........#......",
      "....#......###......",
      "....................",
      "....................",
    ],
  );
});

Deno.test("contactSheet() without labels is as it always was", () => {
  const sheet = contactSheet([grey(3, 2, 100), grey(3, 2, 200)]);
  assert.deepEqual(drawn(sheet), ["111..222", "111..222"]);
});

Deno.test("contactSheet() draws larger letters on larger pictures, within their width", () => {
  const names = Array.from({ length: 3 }, () => "a very long name of an action indeed");
  for (const width of [5, 64, 200]) {
    const frames = Array.from({ length: 3 }, () => grey(width, 8, 100));
    const sheet = contactSheet(frames, { first: 0, given: 0, captions: names });
    const scale = Math.max(1, Math.floor(width / 64));
    assert.deepEqual([sheet.width, sheet.height], [3 * width + 8, 8 + 7 * scale + 4]);
    const rows = drawn(sheet);
    for (const row of rows) assert.equal(row.slice(2 + width, 4 + width), "..", "the gap is free");
    assert.ok(rows.some((row) => row.includes("#".repeat(scale))));
  }
});
