import assert from "node:assert/strict";
import { join } from "node:path";
import { readTuning, writeTuning } from "../../host/tuning_file.ts";
import { inFolder } from "../support/folder.ts";

Deno.test("writeTuning() adds to the tables of several adapters", () =>
  inFolder(async (folder) => {
    const path = join(folder, "far", "tuning.json");
    assert.equal(await readTuning("A", path), undefined);
    assert.equal(await writeTuning("A", { one: { rows: 8 }, two: { rows: 16 } }, path), path);
    await writeTuning("B", { one: { rows: 32 } }, path);
    await writeTuning("A", { two: { rows: 32 }, three: { split: 4 } }, path);
    assert.deepEqual(await readTuning("A", path), {
      one: { rows: 8 },
      two: { rows: 32 },
      three: { split: 4 },
    });
    assert.deepEqual(await readTuning("B", path), { one: { rows: 32 } });
    assert.equal(await readTuning("C", path), undefined);
    const names = [...Deno.readDirSync(join(folder, "far"))].map(({ name }) => name);
    assert.deepEqual(names, ["tuning.json"]);
  }));

Deno.test("readTuning() ignores a file that is malformed or of another version", () =>
  inFolder(async (folder) => {
    const path = join(folder, "tuning.json");
    const contents = [
      "{",
      "null",
      "[]",
      '{"version": 0, "adapters": {}}',
      '{"version": 1, "adapters": 3}',
      '{"version": 1}',
    ];
    for (const text of contents) {
      await Deno.writeTextFile(path, text);
      assert.equal(await readTuning("A", path), undefined, text);
    }
    await writeTuning("A", { one: { rows: 8 } }, path);
    assert.deepEqual(await readTuning("A", path), { one: { rows: 8 } });
  }));

Deno.test("writeTuning() leaves nothing behind when it fails", () =>
  inFolder(async (folder) => {
    const path = join(folder, "tuning.json");
    await Deno.mkdir(path);
    await assert.rejects(writeTuning("A", {}, path));
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["tuning.json"]);
  }));
