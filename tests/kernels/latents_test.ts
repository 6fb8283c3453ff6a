import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { readLatents, writeLatents } from "../../kernels/latents.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/** videos, frames, C, h, w, and the frames of a pass. */
const SIZES: [number, number, number, number, number, number[]][] = [
  [1, 1, 4, 1, 1, [0]],
  [2, 3, 8, 2, 5, [4, 0, 2]],
  [1, 5, 32, 8, 8, [3]],
];

for (const [videos, count, c, h, w, chosen] of SIZES) {
  const title = `frames ${chosen} of [${videos}, ${count}, ${c}, ${h}, ${w}]`;
  const numbers = Uint32Array.from(chosen);
  /** Where channel-last element i of the chosen frames lies in the latents. */
  const place = (i: number) => {
    const [channel, pixel] = [i % c, Math.floor(i / c) % (h * w)];
    return (chosen[Math.floor(i / c / h / w)]! * c + channel) * h * w + pixel;
  };

  Deno.test({ name: `readLatents() picks ${title}`, ...GPU_TEST }, async () => {
    const latents = randomFloats(videos * count * c * h * w, 1);
    const y = await runOnce((p, input) =>
      readLatents(p, {
        latents: input([videos, count, c, h, w], latents),
        frames: input([chosen.length], numbers),
        scale: 2.5,
      })
    );
    assertClose(y, y.map((_, i) => 2.5 * latents[place(i)]!), 1e-6);
  });

  Deno.test({ name: `writeLatents() fills ${title} and no others`, ...GPU_TEST }, async () => {
    const x = randomFloats(chosen.length * h * w * c, 1);
    const before = randomFloats(videos * count * c * h * w, 2);
    const y = await runOnce((p, input) => {
      const latents = input([videos, count, c, h, w], before);
      const frames = input([chosen.length], numbers);
      writeLatents(p, input([chosen.length, h, w, c], x), { latents, frames, scale: 0.25 });
      return latents;
    });
    const expected = before.slice();
    for (let i = 0; i < x.length; i++) expected[place(i)] = 0.25 * x[i]!;
    assertClose(y, expected, 1e-6);
  });
}

Deno.test("writeLatents() refuses another number of frames or channels", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const latents = memory.tensor("latents", [1, 3, 8, 2, 2]);
  const frames = memory.tensor("frames", [2], "u32");
  for (const shape of [[1, 2, 2, 8], [2, 2, 2, 4]]) {
    const x = memory.tensor("x", shape);
    assert.throws(() => writeLatents(p, x, { latents, frames, scale: 1 }), ShapeError);
  }
});
