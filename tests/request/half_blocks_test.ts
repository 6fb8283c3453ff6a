import assert from "node:assert/strict";
import { halfBlocks } from "../../request/half_blocks.ts";

Deno.test("halfBlocks() puts two pixels in a character, the upper one in front", () => {
  const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
  assert.deepEqual(halfBlocks({ width: 2, height: 2, data }), [
    "\x1b[38;2;1;2;3m\x1b[48;2;7;8;9m▀\x1b[38;2;4;5;6m\x1b[48;2;10;11;12m▀\x1b[0m",
  ]);
});

Deno.test("halfBlocks() leaves the lower half of an odd last row empty", () => {
  const lines = halfBlocks({ width: 1, height: 3, data: new Uint8Array(9) });
  assert.equal(lines.length, 2);
  assert.equal(lines[1], "\x1b[38;2;0;0;0m\x1b[49m▀\x1b[0m");
});
