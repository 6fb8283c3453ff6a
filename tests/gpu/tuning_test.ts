import assert from "node:assert/strict";
import { attentionVariant, broadcasts, linearVariant } from "../../gpu/tuning.ts";

Deno.test("linearVariant() broadcasts on CPUs with subgroups of eight lanes, as few rows as fit", () => {
  const rows = (m: number) => linearVariant({ cpu: true, subgroupSize: 8 }, [m, 768, 768]);
  assert.deepEqual(rows(1), { form: "broadcast", rows: 8 });
  assert.deepEqual(rows(9), { form: "broadcast", rows: 16 });
  assert.deepEqual(rows(26), { form: "broadcast", rows: 32 });
  assert.deepEqual(rows(64), { form: "broadcast", rows: 64 });
  assert.deepEqual(rows(1024), { form: "broadcast", rows: 64 });
});

Deno.test("linearVariant() tiles elsewhere, and shares k where tiles are few", () => {
  const gpu = { cpu: false, subgroupSize: 32 };
  assert.deepEqual(linearVariant(gpu, [64, 768, 768]), { form: "tiled", slices: 4 });
  assert.deepEqual(linearVariant(gpu, [64, 768, 3072]), { form: "tiled", slices: 2 });
  assert.deepEqual(linearVariant(gpu, [1024, 768, 768]), { form: "tiled", slices: 1 });
  assert.deepEqual(linearVariant(gpu, [64, 128, 768]), { form: "tiled", slices: 1 });
});

Deno.test("broadcasts() needs a CPU whose subgroups are wide enough", () => {
  assert.ok(broadcasts({ cpu: true }));
  assert.ok(broadcasts({ cpu: true, subgroupSize: 16 }));
  assert.ok(!broadcasts({ cpu: true, subgroupSize: 4 }));
  assert.ok(!broadcasts({ cpu: true, subgroupSize: 0 }));
  assert.ok(!broadcasts({ cpu: false, subgroupSize: 32 }));
});

Deno.test("attentionVariant() splits the keys where queries alone don't fill a GPU", () => {
  const gpu = { cpu: false, subgroupSize: 32 };
  const split = (queries: number, slots: number, rows: number) =>
    attentionVariant(gpu, { queries, slots, rows }).split;
  assert.equal(split(64, 16384, 12), 16);
  assert.equal(split(64, 1024, 12), 4); // at least 256 keys a part
  assert.equal(split(64, 128, 12), 1);
  assert.equal(split(1024, 16384, 24), 2);
  assert.equal(split(4096, 16384, 24), 1);
});

Deno.test("attentionVariant() never splits on CPUs", () => {
  const shape = { queries: 64, slots: 16384, rows: 12 };
  assert.deepEqual(attentionVariant({ cpu: true }, shape), {
    form: "broadcast",
    queries: 16,
    split: 1,
  });
  const narrow = attentionVariant({ cpu: true, subgroupSize: 4 }, shape);
  assert.deepEqual(narrow, { form: "lanes", queries: 8, split: 1 });
});
