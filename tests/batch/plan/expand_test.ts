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

Deno.test("expand() combines fields, the last changing fastest, and marks siblings", () => {
  const all = expand({ a: { each: ["x", "y"] }, b: 1, c: { range: [5, 7] } }, "here");
  assert.deepEqual(all.map(({ fields }) => `${fields.a}${fields.b}${fields.c}`), [
    "x15",
    "x16",
    "y15",
    "y16",
  ]);
  assert.deepEqual([...all[3]!.marks], [["a", "1"], ["c", "6"]]);
});

Deno.test("expand() refuses forms without values and with too many", () => {
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

const RANGES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[1, 1.6, 0.1], [1, 1.1, 1.2, 1.3, 1.4, 1.5]],
  [[0, 0.3, 0.1], [0, 0.1, 0.2]],
  [[0.1, 0.4, 0.1], [0.1, 0.2, 0.3]],
  [[1, 2, 0.25], [1, 1.25, 1.5, 1.75]],
  [[0, 1, 0.3], [0, 0.3, 0.6, 0.9]],
  [[-0.2, 0.2, 0.1], [-0.2, -0.1, 0, 0.1]],
  [[1.6, 1, -0.2], [1.6, 1.4, 1.2]],
  [[0.001, 0.004, 0.001], [0.001, 0.002, 0.003]],
  [[1e-7, 3e-7, 1e-7], [1e-7, 2e-7]],
  [[1.005, 1.015, 0.005], [1.005, 1.01]],
  [[0, 3], [0, 1, 2]],
  [[0.5, 3], [0.5, 1.5, 2.5]],
  [[10, 4, -2], [10, 8, 6]],
];

for (const [range, values] of RANGES) {
  Deno.test(`expand() counts ${JSON.stringify(range)} in decimals, without its end`, () => {
    const all = expand({ guidance: { range } }, "j:1");
    assert.deepEqual(all.map(({ fields }) => fields.guidance), values);
    assert.deepEqual(all.map(({ marks }) => marks.get("guidance")), values.map(String));
  });
}

Deno.test("expand() refuses a range that has no end or no exact steps", () => {
  for (const range of [[0, 1, 0], [0, 1, -1], [1, 0], [0, 1, 1e-20], [0, 1e300, 1e299]]) {
    assert.throws(() => expand({ seed: { range } }, "j:1"), /"range" must be/);
  }
});
