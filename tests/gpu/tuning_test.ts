import assert from "node:assert/strict";
import { attentionTuning, broadcasts, linearTuning, tensorKind } from "../../gpu/tuning.ts";

Deno.test("broadcasts() needs a CPU whose subgroups are wide enough", () => {
  assert.ok(broadcasts({ cpu: true }));
  assert.ok(broadcasts({ cpu: true, subgroupSize: 16 }));
  assert.ok(!broadcasts({ cpu: true, subgroupSize: 4 }));
  assert.ok(!broadcasts({ cpu: true, subgroupSize: 0 }));
  assert.ok(!broadcasts({ cpu: false, subgroupSize: 32 }));
});

Deno.test("tensorKind() keeps weights in images where kernels broadcast", () => {
  assert.equal(tensorKind({ cpu: true }), "image");
  assert.equal(tensorKind({ cpu: true, subgroupSize: 4 }), "storage");
  assert.equal(tensorKind({ cpu: false }), "storage");
});

Deno.test("linearTuning() takes as few rows a workgroup as fit", () => {
  const rows = (m: number) => linearTuning([m, 768, 768]).rows;
  assert.deepEqual([1, 8, 9, 17, 64, 1024].map(rows), [8, 8, 16, 32, 32, 32]);
});

Deno.test("linearTuning() shares k among lanes where tiles are few", () => {
  const slices = (m: number, k: number, n: number) => linearTuning([m, k, n]).slices;
  assert.equal(slices(64, 768, 768), 4);
  assert.equal(slices(64, 768, 3072), 2);
  assert.equal(slices(1024, 768, 768), 1);
  assert.equal(slices(64, 128, 768), 1);
});

Deno.test("attentionTuning() splits the keys where queries alone don't fill a GPU", () => {
  const split = (queries: number, slots: number, rows: number) =>
    attentionTuning({ cpu: false }, { queries, slots, rows }).split;
  assert.equal(split(64, 16384, 12), 16);
  assert.equal(split(64, 1024, 12), 4); // at least 256 keys a part
  assert.equal(split(64, 128, 12), 1);
  assert.equal(split(1024, 16384, 24), 2);
  assert.equal(split(4096, 16384, 24), 1);
});

Deno.test("attentionTuning() never splits on CPUs", () => {
  const shape = { queries: 64, slots: 16384, rows: 12 };
  assert.deepEqual(attentionTuning({ cpu: true }, shape), { lanes: 8, split: 1 });
});
