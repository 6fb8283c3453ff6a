import assert from "node:assert/strict";
import { join } from "node:path";
import { settingsMetadata } from "../../cli/settings.ts";
import { openFrameWriter } from "../../mod.ts";
import { keepOutputs, madeBy, madeWith } from "../../request/existing_outputs.ts";
import { inFolder } from "../support/folder.ts";

const SIZE = { width: 16, height: 16 };
const MADE = { command: "generate", version: "0.1.0", options: { seed: "1", output: ["a.mp4"] } };
const REFUSAL = { name: "UsageError", message: /^Cannot write ".*": it exists\..*--overwrite/ };

/** Writes one grey picture, with the settings that made it or without. */
async function write(path: string, settings?: typeof MADE): Promise<void> {
  const metadata = settings && settingsMetadata(settings);
  const writer = await openFrameWriter(path, { ...SIZE, fps: 8, metadata });
  await writer.write({ ...SIZE, data: new Uint8Array(3 * 16 * 16).fill(90) });
  await writer.close();
}

const KINDS: readonly [name: string, carriesSettings: boolean][] = [
  ["a.mp4", true],
  ["a.webm", true],
  ["a.gif", true],
  ["a.png", true],
  ["a-%03d.png", true],
  ["a.npz", true],
  ["a.y4m", false],
];

for (const [name, carries] of KINDS) {
  Deno.test(`keepOutputs() lets ${name} go to the same settings only, unless told`, () =>
    inFolder(async (folder) => {
      const path = join(folder, name);
      await keepOutputs([path], {});
      await write(path, MADE);
      await assert.rejects(keepOutputs([path], {}), REFUSAL);
      await keepOutputs([path], { overwrite: true });
      const again = { ...MADE, version: "9", options: { output: ["b.gif"], seed: "1" } };
      const other = { ...MADE, options: { seed: "2" } };
      const same = keepOutputs([path], { again: madeWith(again) });
      await (carries ? same : assert.rejects(same, REFUSAL));
      await assert.rejects(keepOutputs([path], { again: madeWith(other) }), REFUSAL);
      if (carries) await keepOutputs([path], { again: madeBy("generate") });
      await assert.rejects(keepOutputs([path], { again: madeBy("decode") }), REFUSAL);
      await Deno.remove(path.replace("%03d", "000"));
      await write(path);
      await assert.rejects(keepOutputs([path], { again: madeWith(MADE) }), REFUSAL);
    }));
}

Deno.test("keepOutputs() looks for the files of every video, through links, and past stdout", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.mp4");
    await Deno.writeTextFile(join(folder, "a-1.mp4"), "mine");
    await keepOutputs([path, "-", folder, join(folder, "none", "a.mp4")], {});
    await assert.rejects(keepOutputs([path], { count: 2 }), REFUSAL);
    await Deno.symlink(join(folder, "a-1.mp4"), join(folder, "link.gif"));
    await assert.rejects(keepOutputs([join(folder, "link.gif")], {}), REFUSAL);
  }));
