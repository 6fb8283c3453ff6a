import assert from "node:assert/strict";
import { didYouMean, nearest } from "../../cli/suggest.ts";

const NAMES = ["frames", "context-frames", "format", "fps", "seed"];

Deno.test("nearest() finds slips of one or two letters and swaps", () => {
  assert.equal(nearest("framse", NAMES), "frames");
  assert.equal(nearest("Frames", NAMES), "frames");
  assert.equal(nearest("contxt-framse", NAMES), "context-frames");
  assert.equal(nearest("sed", NAMES), "seed");
});

Deno.test("nearest() returns nothing if no word is near", () => {
  assert.equal(nearest("telescope", NAMES), undefined);
  assert.equal(nearest("x", NAMES), undefined);
  assert.equal(nearest("seed", []), undefined);
});

Deno.test("didYouMean() is a phrase, or nothing", () => {
  assert.equal(didYouMean("framse", NAMES), ' (did you mean "frames"?)');
  assert.equal(didYouMean("telescope", NAMES), "");
});

Deno.test("nearest() compares no name of a million letters", () => {
  assert.equal(nearest("f".repeat(1e6), ["frames", "fps"]), undefined);
});
