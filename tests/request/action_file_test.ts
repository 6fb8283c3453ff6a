import assert from "node:assert/strict";
import { join } from "node:path";
import { readActionLists } from "../../request/action_file.ts";
import { actionFile } from "../../request/action_file_name.ts";
import { inFolder } from "../support/folder.ts";
import { H, T } from "../weights/safetensors_bytes.ts";

const MAZE = { kind: "action", count: 4, names: ["forward", "left", "right", "stay"] } as const;
const CLIP = "tests/fixtures/clips/dmlab-5.npz";

Deno.test("readActionLists() reads lists and text files", () =>
  inFolder(async (folder) => {
    assert.deepEqual(await readActionLists("forward*2,1", MAZE), [[0, 0, 1]]);
    const path = join(folder, "walk.txt");
    await Deno.writeTextFile(path, "left\nright*2\n");
    assert.deepEqual(await readActionLists(path, MAZE), [[1, 2, 2]]);
    await assert.rejects(readActionLists(join(folder, "none.txt"), MAZE), {
      name: "UsageError",
      message: /^Cannot read actions ".*none.txt": there is no such file$/,
    });
  }));

Deno.test("actionFile() distinguishes files from lists", () => {
  for (const name of ["a.npz", "b/c.safetensors", "x.JSON", "y.txt"]) assert(actionFile(name));
  for (const list of ["forward*3,left", "0,1", "left"]) assert(!actionFile(list));
});

Deno.test("readActionLists() reads the actions of a data set's clip", async () => {
  const [actions] = await readActionLists(CLIP, { kind: "action", count: 4 });
  assert(actions && actions.length > 1);
  assert(actions.every((action) => Number.isInteger(action) && action >= 0 && action < 4));
  const most = Math.max(...actions);
  await assert.rejects(readActionLists(CLIP, { kind: "action", count: most }), {
    name: "UsageError",
    message: new RegExp(`^Cannot use action "${most}": .* \\(in ".*dmlab-5.npz"\\)$`),
  });
});

Deno.test("readActionLists() expands at most a million actions in all", () =>
  inFolder(async (folder) => {
    const items = new Array(20).fill("0*90000");
    const lists: [name: string, text: string][] = [
      ["one.json", JSON.stringify(items)],
      ["object.json", JSON.stringify({ actions: items })],
      ["each.json", JSON.stringify(items.map((item) => [item]))],
      ["words.txt", items.join(" ")],
      ["lines.txt", items.join("\n")],
    ];
    for (const [name, text] of lists) {
      const path = join(folder, name);
      await Deno.writeTextFile(path, text);
      await assert.rejects(readActionLists(path, MAZE), {
        name: "UsageError",
        message: /^Cannot use a list of more than 1000000 actions/,
      }, name);
    }
    const path = join(folder, "hole.safetensors");
    const header = H(`{"actions":${T("I64", [2 ** 30], 0, 2 ** 33)}}`);
    await Deno.writeFile(path, header);
    await Deno.truncate(path, header.length + 2 ** 33);
    await assert.rejects(readActionLists(path, MAZE), /the limit is 1000000 in all$/);
  }));
