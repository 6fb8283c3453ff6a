import assert from "node:assert/strict";
import { join } from "node:path";
import { openModel } from "../../model/model.ts";
import { openModelFolder } from "../../weights/model_folder.ts";

const GOLDEN = join(import.meta.dirname!, "../fixtures/goldens/far-uncond");

Deno.test(
  "openModel() escapes a stranger's texts for the terminal",
  { ignore: Deno.build.os === "windows" }, // links need a privilege there
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      for (const { name } of Deno.readDirSync(GOLDEN)) {
        await Deno.symlink(join(GOLDEN, name), join(folder, name));
      }
      const far = { name: "a\x1b[2Jb", description: "c\nd", actions: ["go\x07", "stay"] };
      await Deno.writeTextFile(join(folder, "far.json"), JSON.stringify(far));
      using model = await openModel(await openModelFolder(folder));
      const { info } = model;
      assert.equal(info.name, "a\\u001b[2Jb");
      assert.equal(info.description, "c\\u000ad");
      assert.deepEqual(info.actions, ["go\\u0007", "stay"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
