import assert from "node:assert/strict";
import { join } from "node:path";
import { readDefaults } from "../../batch/plan/batch_jobs.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";
import { readSettingsFile } from "../../cli/settings_file.ts";
import { readText } from "../../cli/text_file.ts";
import { inFolder } from "../support/folder.ts";

Deno.test("readText() drops a byte order mark, and says in one line why it cannot read", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a b.json");
    await Deno.writeTextFile(path, '\ufeff{"steps": 2}');
    assert.equal(await readText(path, "x"), '{"steps": 2}');
    assert.deepEqual(await readSettingsFile(GENERATE_OPTIONS, path), { steps: 2 });
    assert.deepEqual(await readDefaults(path), { steps: 2 });
    await assert.rejects(readText(`${path}c`, 'settings "c"'), {
      name: "UsageError",
      message: 'Cannot read settings "c": there is no such file',
    });
    await assert.rejects(readText(folder, "x"), {
      name: "UsageError",
      message: /^Cannot read x: .+$/,
    });
  }));
