import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { pixelUnshuffle } from "../../kernels/pixel_unshuffle.ts";
import { channelShortcutReference } from "../reference/channel_shortcut.ts";
import { pixelUnshuffleReference } from "../reference/pixel_shuffle.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

/** b, h, w (of x), channels of the result, channels of the shortcut (0: none). */
const SIZES = [
  [1, 2, 2, 16, 0],
  [2, 4, 6, 32, 0],
  [1, 2, 10, 32, 16],
  [2, 6, 2, 48, 48],
  [1, 4, 4, 16, 8],
] as const;

for (const [b, h, w, c, from] of SIZES) {
  const name = `pixelUnshuffle() matches the reference for [${b}, ${h}, ${w}] to ${c} from ${from}`;
  Deno.test({ name, ...GPU_TEST }, async () => {
    const x = randomFloats(b * h * w * c / 4, 1);
    const shortcut = randomFloats(b * h * w * from, 2);
    const y = await runOnce((p, input) =>
      pixelUnshuffle(
        p,
        input([b, h, w, c / 4], x),
        c,
        from ? input([b, h, w, from], shortcut) : undefined,
      )
    );
    const unshuffled = pixelUnshuffleReference(x, [b, h, w, c / 4]);
    const mean = from
      ? channelShortcutReference(pixelUnshuffleReference(shortcut, [b, h, w, from]), 4 * from, c)
      : unshuffled.map(() => 0);
    assertClose(y, unshuffled.map((v, i) => v + mean[i]!), 1e-6);
  });
}

Deno.test(
  { name: "pixelUnshuffle() skips the padding of two channels", ...GPU_TEST },
  async () => {
    const x = Float32Array.from({ length: 16 }, (_, i) => i % 4 < 2 ? i : -99);
    const y = await runOnce((p, input) => pixelUnshuffle(p, input([1, 2, 2, 4], x), 8));
    assert.deepEqual([...y], [0, 4, 8, 12, 1, 5, 9, 13]);
  },
);

Deno.test("pixelUnshuffle() refuses odd sizes and channels that do not fit", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const x = memory.tensor("x", [1, 4, 4, 4]);
  assert.throws(() => pixelUnshuffle(p, memory.tensor("x", [1, 3, 4, 4]), 16), ShapeError);
  assert.throws(() => pixelUnshuffle(p, x, 32), ShapeError);
  assert.throws(() => pixelUnshuffle(p, x, 16, memory.tensor("s", [1, 4, 4, 6])), ShapeError);
});
