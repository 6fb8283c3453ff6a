import assert from "node:assert/strict";
import { join } from "node:path";
import { parseActionText } from "../../request/actions.ts";
import { readDefaults } from "../../batch/plan/batch_jobs.ts";
import { parseJsonText } from "../../cli/json_text.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";
import { readSettingsFile } from "../../cli/settings_file.ts";
import { inFolder } from "../support/folder.ts";

Deno.test("parseJsonText() reports a mistake in one line, even for a long text", () =>
  inFolder(async (folder) => {
    const text = '{\n  "frames": 3,\n  "steps": x\n}\n';
    const path = join(folder, "a.json");
    await Deno.writeTextFile(path, text);
    const classes = { kind: "action", count: 2 } as const;
    const refusal = {
      name: "UsageError",
      message: /^Cannot read [^\n]+: expected a value at byte 28$/,
    };
    assert.throws(() => parseJsonText(text, "x"), refusal);
    assert.throws(() => parseActionText(text, path, classes), refusal);
    await assert.rejects(readSettingsFile(GENERATE_OPTIONS, path), refusal);
    await assert.rejects(readDefaults(path), refusal);
  }));

Deno.test("parseJsonText() refuses duplicate keys", () => {
  const twice = { name: "UsageError", message: 'Cannot read x: key "a" occurs twice at byte 12' };
  assert.throws(() => parseJsonText('{"a": 1, "a": 2}', "x"), twice);
});
