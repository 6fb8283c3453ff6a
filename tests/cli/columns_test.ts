import assert from "node:assert/strict";
import { alignedRows, fittedRows, wrapped } from "../../cli/columns.ts";

const MILLION = 1_000_000;

Deno.test("alignedRows() gives every cell the width of the widest below it", () => {
  assert.deepEqual(alignedRows([["a", "bb", "c"], ["dddd", "", "e"]]), [
    "  a     bb  c",
    "  dddd      e",
  ]);
  assert.deepEqual(alignedRows([]), []);
});

Deno.test("fittedRows() puts cells below the first where they are too wide", () => {
  assert.deepEqual(fittedRows([["a", "b b", "", "c"]], 12), ["  a", "      b b, c"]);
});

const MANY: [what: string, made: () => string[], last: string, count: number][] = [
  [
    "alignedRows() of a million rows",
    () => alignedRows(Array(MILLION).fill(["a", "b"])),
    "  a  b",
    MILLION,
  ],
  [
    "fittedRows() of a million rows that fit",
    () => fittedRows(Array(MILLION).fill(["a", "b"]), 80),
    "  a  b",
    MILLION,
  ],
  [
    "fittedRows() of a million rows that do not",
    () => fittedRows(Array(MILLION).fill(["a", "b"]), 4),
    "      b",
    2 * MILLION,
  ],
  [
    "fittedRows() of a row of a million cells",
    () => fittedRows([Array(MILLION).fill("b")], 4),
    "      b",
    MILLION,
  ],
  [
    "wrapped() of a million words",
    () => wrapped("ab ".repeat(MILLION - 1) + "ab", 2),
    "ab",
    MILLION,
  ],
];
for (const [what, made, last, count] of MANY) {
  Deno.test(what, () => {
    const lines = made();
    assert.deepEqual([lines.length, lines.at(-1)], [count, last]);
  });
}
