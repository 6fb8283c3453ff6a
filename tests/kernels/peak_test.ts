import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { peakCopy, peakFma } from "../../kernels/peak.ts";
import { peakFmaReference } from "../reference/peak.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

for (const [count, loops] of [[1, 1], [64, 3], [131, 5]] as const) {
  Deno.test(
    { name: `peakFma() does all its work for count=${count} loops=${loops}`, ...GPU_TEST },
    async () => {
      const x = randomFloats(4 * count, 1);
      const y = await runOnce((p, input) => {
        const tensor = input([count, 4], x);
        peakFma(p, tensor, { loops, a: 0.75, b: 0.25 });
        return tensor;
      });
      // rounding of each step shrinks by a at every later one, so errors stay near one ulp of 36
      assertClose(y, x.map((value) => peakFmaReference(value, loops, 0.75, 0.25)), 1e-5);
    },
  );
}

// the last has more workgroups than fit into one dimension
for (const count of [1, 65, 4096, 32768 * 64 + 3]) {
  Deno.test({ name: `peakCopy() copies ${count} vec4s`, ...GPU_TEST }, async () => {
    const x = randomFloats(4 * count, 2);
    const y = await runOnce((p, input) => {
      const to = p.scratch([count, 4]);
      peakCopy(p, input([count, 4], x), to);
      return to;
    });
    assert.ok(y.every((value, i) => value === x[i]));
  });
}

Deno.test("peakFma() and peakCopy() refuse what is not a list of vec4s", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const x = memory.tensor("x", [4, 4]);
  assert.throws(
    () => peakFma(p, memory.tensor("y", [4, 2]), { loops: 1, a: 1, b: 0 }),
    ShapeError,
  );
  assert.throws(() => peakCopy(p, x, memory.tensor("y", [2, 4])), ShapeError);
  assert.throws(() => peakCopy(p, memory.tensor("x", [2, 4, 4]), x), ShapeError);
});
