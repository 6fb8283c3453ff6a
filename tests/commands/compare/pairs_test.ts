import assert from "node:assert/strict";
import { parseOffset, picture, withoutFirst } from "../../../commands/compare/pairs.ts";

/** Two videos of three frames of 1 x 1, each value its own number. */
const SOURCE = {
  videos: 2,
  frames: 3,
  width: 1,
  height: 1,
  data: Float32Array.from({ length: 18 }, (_, i) => i),
  lossy: false,
  warnings: [],
};

Deno.test("parseOffset() takes two whole numbers", () => {
  assert.deepEqual(parseOffset("12,0"), [12, 0]);
  for (const text of ["", "1", "1,", ",1", "1,2,3", "-1,2", "1.5,2", "a,b", "1, 2"]) {
    assert.throws(() => parseOffset(text), { name: "UsageError" }, text);
  }
});

Deno.test("withoutFirst() leaves out the first frames of every video", () => {
  const left = withoutFirst(SOURCE, 1, "a.npz");
  assert.equal(left.frames, 2);
  assert.deepEqual([...left.data], [3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17]);
  assert.throws(() => withoutFirst(SOURCE, 3, "a.npz"), /all of its 3 frames were given/);
});

Deno.test("picture() lets one video stand for all others", () => {
  const one = { ...SOURCE, videos: 1, data: SOURCE.data.subarray(0, 9) };
  assert.deepEqual([...picture(SOURCE, 4)], [12, 13, 14]);
  assert.deepEqual([...picture(one, 4)], [3, 4, 5]);
});
