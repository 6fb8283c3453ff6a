import assert from "node:assert/strict";
import { table } from "../../../commands/bench/tables.ts";

Deno.test("table() aligns names left and numbers right", () => {
  const rows = [["a", "1"], ["bcd", "1000"], ["e"]];
  assert.equal(table(["name", "ms"], rows, 1), "name    ms\na        1\nbcd   1000\ne");
});

Deno.test("table() takes a million rows", () => {
  const lines = table(["name", "ms"], Array(1e6).fill(["a", "1"]), 1).split("\n");
  assert.deepEqual([lines.length, lines.at(-1)], [1e6 + 1, "a      1"]);
});
