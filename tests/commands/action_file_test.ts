import assert from "node:assert/strict";
import { join } from "node:path";
import { readActions } from "../../commands/action_file.ts";
import { inFolder } from "./folder.ts";

const MAZE = { kind: "action", count: 4, names: ["forward", "left", "right", "stay"] } as const;
const CLIP = "tests/fixtures/clips/dmlab-5.npz";

Deno.test("readActions() reads lists and text files", () =>
  inFolder(async (folder) => {
    assert.deepEqual(await readActions("forward*2,1", MAZE), [0, 0, 1]);
    const path = join(folder, "walk.txt");
    await Deno.writeTextFile(path, "left\nright*2\n");
    assert.deepEqual(await readActions(path, MAZE), [1, 2, 2]);
    await assert.rejects(readActions(join(folder, "none.txt"), MAZE), {
      name: "UsageError",
      message: /^Cannot read actions ".*none.txt": there is no such file$/,
    });
  }));

Deno.test("readActions() reads the actions of a data set's clip", async () => {
  const actions = await readActions(CLIP, { kind: "action", count: 4 });
  assert(actions.length > 1);
  assert(actions.every((action) => Number.isInteger(action) && action >= 0 && action < 4));
  const most = Math.max(...actions);
  await assert.rejects(readActions(CLIP, { kind: "action", count: most }), {
    name: "UsageError",
    message: new RegExp(`^Cannot use action "${most}": .* \\(in ".*dmlab-5.npz"\\)$`),
  });
});
