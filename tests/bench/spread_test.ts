import assert from "node:assert/strict";
import { spread } from "../../bench/spread.ts";

Deno.test("spread() takes the median", () => {
  assert.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3, runs: 3 });
  assert.deepEqual(spread([4, 1, 2, 10]), { median: 3, min: 1, max: 10, runs: 4 });
});

Deno.test("spread() sorts by value and does not change its argument", () => {
  const values = [10, 9, 100];
  assert.equal(spread(values).median, 10);
  assert.deepEqual(values, [10, 9, 100]);
});

Deno.test("spread() needs at least one measurement", () => {
  assert.throws(() => spread([]), RangeError);
});
