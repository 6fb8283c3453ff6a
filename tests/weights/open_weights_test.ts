import { deepEqual, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { openWeights } from "../../weights/open_weights.ts";
import type { StateDictChoice } from "../../weights/state_dict.ts";
import { inFolder } from "../support/folder.ts";

const CHECKPOINTS = join(import.meta.dirname!, "../fixtures/goldens/checkpoints/");

async function look(path: string, choice?: StateDictChoice) {
  const { checkpoint, file, format } = await openWeights(path, choice);
  checkpoint.close();
  return { file, format };
}

Deno.test("openWeights() recognises files by content, not by name", async () => {
  await inFolder(async (folder) => {
    for (
      const [source, name, format] of [
        ["odd.safetensors", "a.pth", "safetensors"],
        ["odd.safetensors", "a.bin", "safetensors"],
        ["odd.pth", "a.safetensors", "pth (zip)"],
        ["odd-legacy.pth", "b.safetensors", "pth (legacy)"],
      ] as const
    ) {
      const path = join(folder, name);
      await Deno.copyFile(join(CHECKPOINTS, source), path);
      equal((await look(path)).format, format, `${source} as ${name}`);
    }
  });
});

Deno.test("openWeights() goes by the name if the content shows nothing", async () => {
  await inFolder(async (folder) => {
    for (
      const [name, reason] of [["x.pth", "NotCheckpoint"], ["x.safetensors", "HeaderTooSmall"]]
    ) {
      await Deno.writeTextFile(join(folder, name!), "x");
      await rejects(openWeights(join(folder, name!)), { reason });
    }
  });
});

Deno.test("openWeights() takes the averaged copy of a trainer's folder, unless told not to", async () => {
  await inFolder(async (folder) => {
    const [ema, model] = [join(folder, "ema.pth"), join(folder, "model.safetensors")];
    await Deno.copyFile(join(CHECKPOINTS, "odd.pth"), ema);
    await Deno.copyFile(join(CHECKPOINTS, "odd.safetensors"), model);
    deepEqual(await look(folder), { file: ema, format: "pth (zip)" });
    deepEqual(await look(folder, { ema: false }), { file: model, format: "safetensors" });
  });
});

const FOLDERS: [what: string, files: string[], message: RegExp][] = [
  ["nothing", [], /neither diffusion_pytorch_model.safetensors nor an index/],
  [
    "pickled shards",
    ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin"],
    /"pytorch_model.bin.index.json" lists pickled shards.*safe_serialization=True/,
  ],
  [
    "diffusers' pickled shards",
    ["diffusion_pytorch_model.bin.index.json"],
    /lists pickled shards/,
  ],
  ["a file of another name", ["epoch_3.ckpt"], /contains "epoch_3.ckpt"; name one/],
];
for (const [what, files, message] of FOLDERS) {
  Deno.test(`openWeights() says what a folder holds: ${what}`, async () => {
    await inFolder(async (folder) => {
      for (const name of files) await Deno.writeTextFile(join(folder, name), "{}");
      await rejects(openWeights(folder), { reason: "NotFound", message });
    });
  });
}
