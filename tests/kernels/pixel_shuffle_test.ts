import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { pixelShuffle } from "../../kernels/pixel_shuffle.ts";
import { channelShortcutReference } from "../reference/channel_shortcut.ts";
import { pixelShuffleReference } from "../reference/pixel_shuffle.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";
import { unpad } from "../support/weights.ts";

/** b, h, w, channels of x, channels of the shortcut (0: none). */
const SIZES = [
  [1, 1, 1, 4, 0],
  [2, 3, 5, 12, 0],
  [1, 4, 2, 32, 16],
  [2, 2, 3, 80, 20],
  [1, 3, 3, 64, 64],
] as const;

for (const [b, h, w, c, from] of SIZES) {
  const name =
    `pixelShuffle() matches the reference for [${b}, ${h}, ${w}, ${c}], shortcut ${from}`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const x = randomFloats(b * h * w * c, 1);
    const shortcut = randomFloats(b * h * w * from, 2);
    const y = await runOnce((p, input) =>
      pixelShuffle(p, input([b, h, w, c], x), from ? input([b, h, w, from], shortcut) : undefined)
    );
    const repeated = from ? channelShortcutReference(shortcut, from, c) : x.map(() => 0);
    const sum = x.map((v, i) => v + repeated[i]!);
    assertClose(unpad(y, 4 * b * h * w, c / 4), pixelShuffleReference(sum, [b, h, w, c]), 1e-6);
  });
}

Deno.test("pixelShuffle() refuses a shortcut of other channels or places", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const x = memory.tensor("x", [1, 2, 2, 16]);
  for (const shape of [[1, 2, 2, 12], [1, 2, 4, 4]]) {
    assert.throws(() => pixelShuffle(p, x, memory.tensor("s", shape)), ShapeError);
  }
});
