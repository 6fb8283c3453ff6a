import assert from "node:assert/strict";
import { join } from "node:path";
import { modelPath } from "../../request/model_path.ts";
import { inFolder } from "../support/folder.ts";

Deno.test("modelPath() finds the demo next to the program, and folders by path", async () => {
  const demo = await modelPath("demo");
  assert((await Deno.stat(join(demo, "model_index.json"))).isFile);
  assert.equal(await modelPath("tests"), "tests");
});

Deno.test("modelPath() says what a model can be", async () => {
  await assert.rejects(modelPath("./nowhere"), {
    name: "UsageError",
    message: /^Cannot find model ".\/nowhere": there is no such folder, and no pulled model/,
  });
  await assert.rejects(modelPath("dmeo"), { message: /\(did you mean "demo"\?\)$/ });
});

/** A cache with a repository of a copied demo. */
async function cacheWithDemo(folder: string): Promise<void> {
  const repository = join(folder, "models--someone--maze-walker");
  const commit = "0123456789abcdef".repeat(3).slice(0, 40);
  await Deno.mkdir(join(repository, "refs"), { recursive: true });
  await Deno.mkdir(join(repository, "snapshots"));
  await Deno.writeTextFile(join(repository, "refs", "main"), commit);
  await Deno.symlink(await modelPath("demo"), join(repository, "snapshots", commit));
}

Deno.test("modelPath() takes and suggests short forms of names", () =>
  inFolder(async (folder) => {
    const before = Deno.env.get("HF_HUB_CACHE");
    Deno.env.set("HF_HUB_CACHE", folder);
    try {
      await cacheWithDemo(folder);
      for (const short of ["maze", "Maze-W", "walker", "someone/maze", "someone/maze-walker"]) {
        assert.match(await modelPath(short), /models--someone--maze-walker/, short);
      }
      const refusals = [
        ["mincraft", /\(did you mean "minecraft"\?\)$/],
        ["someone/maze-walkr", /\(did you mean "someone\/maze-walker"\?\)$/],
        ["bairr", /\(did you mean "bair"\?\)$/],
        ["dmlab", /; fetch it with far pull FAR_B_Long_dmlab_res64_1000K_bs32$/],
        ["FAR_X", /^"FAR_X" may be any of FAR_XL_ucf101_cond_res256_400K_bs32, FAR_XL_ucf101_unc/],
        ["./maze", /^Cannot find model "\.\/maze": there is no such folder, and no [a-z ]*$/],
        ["a/b/maze", /no pulled model has that name$/],
      ] as const;
      for (const [name, message] of refusals) await assert.rejects(modelPath(name), { message });
    } finally {
      if (before === undefined) Deno.env.delete("HF_HUB_CACHE");
      else Deno.env.set("HF_HUB_CACHE", before);
    }
  }));
