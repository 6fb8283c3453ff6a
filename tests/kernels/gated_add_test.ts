import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { gatedAdd } from "../../kernels/gated_add.ts";
import { gatedAddReference } from "../reference/gated_add.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runAll } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const SHAPES: [b: number, f: number, t: number, d: number][] = [[1, 1, 1, 4], [2, 3, 5, 36], [
  1,
  2,
  16,
  128,
]];

for (const [b, f, t, d] of SHAPES) {
  const name = `B=${b} F=${f} T=${t} d=${d}`;
  Deno.test({ name: `gatedAdd() matches the reference for ${name}`, ...GPU_TEST }, async () => {
    const [x, y] = [randomFloats(b * f * t * d, 1), randomFloats(b * f * t * d, 2)];
    const stride = 2 * d + 4;
    const table = randomFloats(3 * stride, 3);
    const rows = Array.from({ length: b * f }, (_, i) => (i + 2) % 3);
    const [bytes] = await runAll((p, input) => {
      const frames = input([b, f, 4], Uint32Array.from(rows.flatMap((row) => [row, 9, 9, 9])));
      const gate = { table: input([3, stride], table), frames, tokens: t, offset: d };
      const to = input([b, f, t, d], y);
      gatedAdd(p, input([b, f, t, d], x), to, gate);
      return [to];
    });
    const gateOf = (row: number) => table.subarray(rows[Math.floor(row / t)]! * stride + d);
    assertClose(new Float32Array(bytes!), gatedAddReference(y, x, d, gateOf), 2e-7);
  });
}

Deno.test("gatedAdd() refuses a sum of another shape", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const table = memory.tensor("table", [1, 8]);
  const frames = memory.tensor("frames", [1, 1, 4], "u32");
  const [x, y] = [memory.tensor("x", [1, 1, 2, 8]), memory.tensor("y", [1, 1, 1, 8])];
  assert.throws(() => gatedAdd(p, x, y, { table, frames, tokens: 2, offset: 0 }), ShapeError);
});
