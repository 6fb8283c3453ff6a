import assert from "node:assert/strict";
import { expand } from "../../../batch/plan/expand.ts";
import { UsageError } from "../../../cli/errors.ts";

const values = (fields: Record<string, unknown>) =>
  expand(fields, "jobs.jsonl:1").map((one) => one.fields);

Deno.test("expand() leaves plain fields alone", () => {
  assert.deepEqual(values({ seed: 3, actions: [0, 1] }), [{ seed: 3, actions: [0, 1] }]);
});

Deno.test("expand() makes one object for each value of a list and of a range", () => {
  assert.deepEqual(values({ seed: { range: [3, 6] } }), [{ seed: 3 }, { seed: 4 }, { seed: 5 }]);
  assert.deepEqual(values({ seed: { range: [0, 10, 4] } }).map((f) => f.seed), [0, 4, 8]);
  assert.deepEqual(values({ seed: { range: [2, 0, -1] } }).map((f) => f.seed), [2, 1]);
  assert.deepEqual(values({ actions: { each: ["left", ["left", 0]] } }), [
    { actions: "left" },
    { actions: ["left", 0] },
  ]);
});

Deno.test("expand() combines fields, the last changing fastest, and tells siblings apart", () => {
  const all = expand({ a: { each: ["x", "y"] }, b: 1, c: { range: [5, 7] } }, "here");
  assert.deepEqual(all.map(({ fields }) => `${fields.a}${fields.b}${fields.c}`), [
    "x15",
    "x16",
    "y15",
    "y16",
  ]);
  assert.deepEqual([...all[3]!.marks], [["a", "1"], ["c", "6"]]);
});

Deno.test("expand() refuses what stands for nothing, or for too much", () => {
  const bad = [
    { each: [] },
    { each: "abc" },
    { range: [1, 1] },
    { range: [0, 5, -1] },
    { range: [0] },
    { range: [0, 5, 0] },
    { range: [0, 2_000_000] },
    { each: [1], range: [0, 1] },
    { eahc: [1] },
    {},
  ];
  for (const seed of bad) {
    assert.throws(() => values({ seed }), (error: Error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, /"seed" in jobs\.jsonl:1/);
      return true;
    });
  }
  const million = { range: [0, 1000] };
  assert.throws(
    () => values({ a: million, b: million, c: { range: [0, 2] } }),
    /more than 1000000/,
  );
});
