import assert from "node:assert/strict";
import { join } from "node:path";
import { GENERATE_OPTIONS } from "../../request/options.ts";
import { optionName } from "../../cli/option.ts";
import { parseModelDefaults } from "../../request/model_defaults.ts";
import { inFolder } from "../support/folder.ts";

const REFUSED = [
  "lora",
  "overwrite",
  "output",
  "format",
  "preview",
  "onInterrupt",
  "checkpoint",
  "checkpointEvery",
  "resume",
  "config",
  "model",
  "lora",
  "backend",
  "noise",
  "noMetadata",
  "dryRun",
  "json",
  "progress",
  "quiet",
  "verbose",
];

/** A valid value of the option. */
function valueOf(key: string): unknown {
  const { kind, choices } = GENERATE_OPTIONS[key as keyof typeof GENERATE_OPTIONS] as {
    kind: string;
    choices?: string[];
  };
  return {
    flag: true,
    integer: 2,
    number: 2,
    seed: 1,
    size: "64x64",
    choice: choices?.[0],
  }[kind] ??
    "a.png";
}

for (const key of REFUSED) {
  Deno.test(`parseModelDefaults() refuses ${optionName(key)} by its name`, () => {
    const json = { [optionName(key)]: valueOf(key), steps: 3 };
    assert.throws(() => parseModelDefaults(json, "m"), (error: Error) => {
      assert.equal(error.name, "TypeError");
      return error.message.startsWith(`Cannot use "${optionName(key)}" in m/far.json: `);
    });
  });
}

Deno.test("every option of generate is either harmless in far.json or refused there", () => {
  for (const key of Object.keys(GENERATE_OPTIONS)) {
    const read = () => parseModelDefaults({ [optionName(key)]: valueOf(key) }, "m");
    if (REFUSED.includes(key)) assert.throws(read, TypeError);
    else assert.deepEqual(Object.keys(read()), [key]);
  }
});

const OUTSIDE = ["/etc/passwd", "../x.npz", "a/../../x.npz", "-", "C:\\x.npz", "..\\x.npz"];

for (const path of [...OUTSIDE, "link.npz", "away/x.npz", "away/%d.png"]) {
  for (const name of ["context", "actions"]) {
    if (name === "actions" && !path.endsWith(".npz")) continue;
    Deno.test(`parseModelDefaults() refuses ${name} ${path} outside the folder`, () =>
      inFolder(async (root) => {
        const folder = join(root, "model");
        await Deno.mkdir(folder);
        await Deno.writeTextFile(join(root, "x.npz"), "secret");
        await Deno.symlink(join(root, "x.npz"), join(folder, "link.npz"));
        await Deno.symlink(root, join(folder, "away"));
        const text = `${name}" in ${folder}/far.json: "${path}" `;
        assert.throws(
          () => parseModelDefaults({ [name]: path }, folder),
          (error: Error) => error.message.startsWith(`Cannot use "${text}`),
        );
      }));
  }
}

Deno.test("parseModelDefaults() takes files inside the folder, and blobs of the hub's cache", () =>
  inFolder(async (root) => {
    const folder = join(root, "models--x", "snapshots", "abc");
    const blobs = join(root, "models--x", "blobs");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.mkdir(blobs);
    await Deno.writeTextFile(join(blobs, "123"), "");
    await Deno.symlink("../../blobs/123", join(folder, "clip.npz"));
    await Deno.symlink("clip.npz", join(folder, "again.npz"));
    for (const name of ["clip.npz", "again.npz", "missing.npz", "%d.png"]) {
      const { context } = parseModelDefaults({ context: name }, folder);
      assert.equal(context, join(folder, name));
    }
    assert.equal(parseModelDefaults({ actions: "forward*2" }, folder).actions, "forward*2");
    const { actions } = parseModelDefaults({ actions: "clip.npz" }, folder);
    assert.equal(actions, join(folder, "clip.npz"));
  }));

for (const context of ["frames", "frames/%d.png", "frames/", ".", "%d.png"]) {
  Deno.test(`parseModelDefaults() refuses ${context} with a picture that is a link outside`, () =>
    inFolder(async (root) => {
      const folder = join(root, "model");
      await Deno.mkdir(join(folder, "frames"), { recursive: true });
      await Deno.writeTextFile(join(root, "secret.png"), "");
      const read = () => parseModelDefaults({ context }, folder);
      for (const place of [folder, join(folder, "frames")]) {
        await Deno.writeTextFile(join(place, "1.png"), "");
        await Deno.symlink("1.png", join(place, "2.png"));
      }
      assert.equal(read().context, join(folder, context));
      for (const place of [folder, join(folder, "frames")]) {
        await Deno.symlink(join(root, "secret.png"), join(place, "3.png"));
      }
      assert.throws(read, /holds "3\.png", a link that leaves the model's folder$/);
    }));
}
