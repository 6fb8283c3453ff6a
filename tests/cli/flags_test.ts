import assert from "node:assert/strict";
import { inFlags } from "../../cli/flags.ts";

const CASES = [
  ["use `dtype` f16", "use --dtype f16"],
  ["fewer `memoryFrames`", "fewer --memory-frames"],
  ["smaller `width` and `height` or `count` 1", "smaller --size or --count 1"],
  ["This model needs a class: give `labels`", "This model needs a class: give --label"],
  ["see `far doctor`", "see `far doctor`"],
  ['Cannot read "a`b"', 'Cannot read "a`b"'],
] as const;

Deno.test("inFlags() writes the library's options as flags and changes nothing else", () => {
  for (const [message, expected] of CASES) assert.equal(inFlags(message), expected);
});
