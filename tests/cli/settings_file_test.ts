import assert from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../../cli/errors.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";
import { checkSettings, readSettingsFile } from "../../cli/settings_file.ts";

Deno.test("checkSettings() reads the options' names in any spelling", () => {
  const json = { "context-frames": 12, context_stride: 2, onlyGenerated: true, seed: 7 };
  const { values, problems } = checkSettings(GENERATE_OPTIONS, json, "x");
  assert.deepEqual(problems, []);
  assert.deepEqual(values, {
    contextFrames: 12,
    contextStride: 2,
    onlyGenerated: true,
    seed: 7n,
  });
});

Deno.test("checkSettings() takes cache: false for --no-cache", () => {
  const read = (json: unknown) => checkSettings(GENERATE_OPTIONS, json, "x").values;
  assert.deepEqual(read({ cache: false, metadata: true }), { noCache: true, noMetadata: false });
  assert.deepEqual(read({ "no-cache": true }), { noCache: true });
});

Deno.test("checkSettings() reports every problem, with suggestions", () => {
  const json = { framse: 3, steps: 0, dtype: "f8", config: "a.json", seed: 1, Seed: 1, model: "m" };
  const { values, problems } = checkSettings(GENERATE_OPTIONS, json, "jobs.jsonl:3");
  assert.deepEqual(values, { seed: 1n, model: "m" });
  assert.deepEqual(problems, [
    'Cannot use "framse" in jobs.jsonl:3: there is no such option (did you mean "frames"?)',
    'Cannot use "steps" in jobs.jsonl:3: it must be a whole number from 1 to 1000, not 0',
    'Cannot use "dtype" in jobs.jsonl:3: it must be one of auto, f32, f16, not "f8"',
    'Cannot use "config" in jobs.jsonl:3: a settings file cannot name another',
    'Cannot use "Seed" in jobs.jsonl:3: there is no such option (did you mean "seed"?)',
  ]);
});

Deno.test("checkSettings() refuses one option in two spellings, and names of objects", () => {
  const twice = checkSettings(GENERATE_OPTIONS, { "no-cache": true, cache: true }, "x");
  assert.deepEqual(twice.problems, ['Cannot use "cache" in x: it occurs twice']);
  const odd = JSON.parse('{"__proto__": 1, "constructor": 2, "toString": 3}');
  assert.equal(checkSettings(GENERATE_OPTIONS, odd, "x").problems.length, 3);
  for (const json of [null, [], 3, "frames"]) {
    assert.deepEqual(checkSettings(GENERATE_OPTIONS, json, "x").problems, [
      "Cannot use x: it must be one JSON object",
    ]);
  }
});

Deno.test("readSettingsFile() reads options, or a whole record of settings", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "settings.json");
    await Deno.writeTextFile(path, '{"frames": 4}');
    assert.deepEqual(await readSettingsFile(GENERATE_OPTIONS, path), { frames: 4 });
    await Deno.writeTextFile(
      path,
      '{"command": "generate", "version": "0.1.0", "options": {"frames": 5}}',
    );
    assert.deepEqual(await readSettingsFile(GENERATE_OPTIONS, path), { frames: 5 });
    await Deno.writeTextFile(
      path,
      '{"file": "a.npz", "settings": {"command": "generate", "options": {"frames": 6}}}',
    );
    assert.deepEqual(await readSettingsFile(GENERATE_OPTIONS, path), { frames: 6 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readSettingsFile() names the file and all that is wrong with it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "settings.json");
    await assert.rejects(readSettingsFile(GENERATE_OPTIONS, path), {
      name: "UsageError",
      message: `Cannot read settings "${path}": there is no such file`,
    });
    await Deno.writeTextFile(path, "{frames: 4}");
    await assert.rejects(readSettingsFile(GENERATE_OPTIONS, path), (error) => {
      assert(error instanceof UsageError);
      assert(error.message.startsWith(`Cannot read settings "${path}": `), error.message);
      return true;
    });
    await Deno.writeTextFile(path, '{"frames": 0, "step": 3}');
    await assert.rejects(readSettingsFile(GENERATE_OPTIONS, path), (error) => {
      assert(error instanceof UsageError);
      assert.equal(error.message.split("\n").length, 2);
      return true;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
