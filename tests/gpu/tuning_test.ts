import assert from "node:assert/strict";
import { broadcasts, linearVariant } from "../../gpu/tuning.ts";

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
