import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { lastFrame } from "../../kernels/last_frame.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const SHAPES: [b: number, f: number, t: number, d: number][] = [
  [1, 2, 1, 4],
  [3, 5, 7, 12],
  [2, 16, 64, 64],
];

for (const [b, f, t, d] of SHAPES) {
  const name = `B=${b} F=${f} T=${t} d=${d}`;
  Deno.test(
    { name: `lastFrame() takes the last frame of each video, ${name}`, ...GPU_TEST },
    async () => {
      const x = randomFloats(b * f * t * d, 1);
      const y = await runOnce((p, input) => lastFrame(p, input([b, f, t, d], x)));
      const last = (video: number) =>
        x.subarray((video * f + f - 1) * t * d, (video + 1) * f * t * d);
      assert.deepEqual([...y], Array.from({ length: b }, (_, video) => [...last(video)]).flat());
    },
  );
}

Deno.test("lastFrame() leaves a single frame where it is", () => {
  const p = new Program("test", new Memory());
  const x = p.memory.tensor("x", [2, 1, 3, 4]);
  assert.equal(lastFrame(p, x), x);
  assert.equal(p.dispatches, 0);
});

Deno.test("lastFrame() refuses what has no frames, and odd widths", () => {
  const p = new Program("test", new Memory());
  assert.throws(() => lastFrame(p, p.memory.tensor("x", [3, 4])), ShapeError);
  assert.throws(() => lastFrame(p, p.memory.tensor("x", [1, 2, 3, 6])), ShapeError);
});
