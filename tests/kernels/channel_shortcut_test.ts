import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { channelShortcut } from "../../kernels/channel_shortcut.ts";
import { channelShortcutReference } from "../reference/channel_shortcut.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

for (
  const [pixels, from, to] of [[1, 4, 8], [5, 32, 128], [3, 64, 32], [7, 96, 4], [
    3,
    12,
    12,
  ]] as const
) {
  Deno.test({
    name: `channelShortcut() matches the reference for ${pixels} pixels, ${from} to ${to}`,
    ...GPU_TEST,
  }, async () => {
    const x = randomFloats(pixels * from, 1);
    const y = await runOnce((p, input) => channelShortcut(p, input([1, pixels, 1, from], x), to));
    assertClose(y, channelShortcutReference(x, from, to), 1e-6);
  });
}

Deno.test("channelShortcut() refuses numbers that do not divide", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const x = memory.tensor("x", [1, 2, 2, 12]);
  assert.throws(() => channelShortcut(p, x, 8), ShapeError);
});
