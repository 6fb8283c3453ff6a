import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { dirname, join } from "node:path";
import { HUB_REPOSITORY, type LocalModel, presetStates } from "../../../app.ts";
import { describeModels, run } from "../../../commands/models/run.ts";
import { hubSettings, PRESETS } from "../../../mod.ts";
import { inFolder } from "../../support/folder.ts";
import { recorder } from "../../support/recorder.ts";
import { withVariables } from "../../support/environment.ts";

async function models(json: boolean, cache: string, operands: string[] = [], yes = false) {
  const terminal = recorder();
  const { signal } = new AbortController();
  const call = { options: { json, yes }, operands, terminal, signal };
  await withVariables({ HF_HUB_CACHE: cache }, () => run(call));
  return terminal.stdout;
}

Deno.test("far models lists the demo and every released model with what it needs", async () => {
  await inFolder(async (folder) => {
    const text = await models(false, folder);
    match(text, /\n {2}demo {2}18\.\d MB {2}built in {2}/);
    for (const { name } of PRESETS) match(text, new RegExp(`\\n {2}${name} `));
    match(text, /FAR_B_bair_res64_200K_bs32 .* 64x64 .*continues 2 frames with 28, window 30/);
    match(text, /FAR_L_ucf101_cond_res128_400K_bs32 .*makes 16 frames, 101 labels/);
  });
});

Deno.test("far models --json gives both lists", async () => {
  await inFolder(async (folder) => {
    const { models: here, released } = JSON.parse(await models(true, folder));
    equal(here[0].name, "demo");
    equal(released.length, PRESETS.length);
    equal(released[0].state, "not pulled");
  });
});

Deno.test("describeModels() leaves models that are here out of the second list", () => {
  const preset = {
    name: "X",
    task: "video_generation",
    architecture: "FAR_B",
    pixels: 64,
    contextFrames: 0,
    frames: 16,
    guidance: 1,
    window: 16,
    condition: { kind: "none", count: 0 },
    parameters: { transformer: 1, vae: 1 },
    path: undefined,
  } as const;
  const memory = { f16: 1e9, f32: 2e9 };
  const text = describeModels({
    here: [],
    released: [{ ...preset, memory, state: "ready" }],
    disk: 0,
  });
  equal(text.includes("X"), false);
  match(
    describeModels({ here: [], released: [{ ...preset, memory, state: "downloaded" }], disk: 0 }),
    /downloaded, not converted/,
  );
});

const REPOSITORY = `models--${HUB_REPOSITORY.replaceAll("/", "--")}`;
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** A cache with these presets converted, and their checkpoints of 1000 bytes each. */
async function pulled(folder: string, names: readonly string[]): Promise<string> {
  const cache = join(folder, "hub");
  const repository = join(cache, REPOSITORY);
  await Deno.mkdir(join(repository, "refs"), { recursive: true });
  await Deno.mkdir(join(repository, "blobs"), { recursive: true });
  await Deno.writeTextFile(join(repository, "refs", "main"), COMMIT);
  for (const preset of PRESETS.filter(({ name }) => names.includes(name))) {
    const model = join(folder, "far", preset.name);
    await Deno.mkdir(model, { recursive: true });
    await Deno.writeTextFile(join(model, "model_index.json"), "x".repeat(100));
    for (const file of [preset.transformerFile, preset.vaeFile]) {
      const link = join(repository, "snapshots", COMMIT, file);
      const blob = join(repository, "blobs", file.replaceAll("/", "-"));
      await Deno.mkdir(dirname(link), { recursive: true });
      await Deno.writeTextFile(blob, "x".repeat(1000));
      await Deno.symlink(blob, link).catch(() => {}); // shared with another
    }
  }
  return cache;
}

async function filesIn(folder: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) all.push(...await filesIn(join(folder, name)));
    else all.push(join(folder, name));
  }
  return all;
}

Deno.test("far models rm removes a model and what it alone has", () =>
  inFolder(async (folder) => {
    const [long, other] = ["FAR_M_Long_minecraft_res128_1000K_bs32", "FAR_B_bair_res64_200K_bs32"];
    const sibling = `${long}_36to264`; // made of the same checkpoints
    const cache = await pulled(folder, [long, sibling, other]);
    const { models: here, disk } = JSON.parse(await models(true, cache));
    deepEqual(here.slice(1).map(({ name, bytes }: LocalModel) => [name, bytes]), [
      [long, 100],
      [sibling, 100],
      [other, 2100],
    ]);
    equal(disk, 4 * 1000 + 300 + COMMIT.length);
    await rejects(models(false, cache, ["rm", "minecraft"]), {
      name: "UsageError",
      message:
        /^Cannot ask whether to remove FAR_M_Long_minecraft_res128_1000K_bs32 \(100 bytes\): say --yes$/,
    });
    match(
      await models(false, cache, ["rm", "minecraft"], true),
      /^Removed FAR_M_.* \(100 bytes\)\n$/,
    );
    match(await models(false, cache, ["rm", "36to264"], true), /^Removed .*36to264 \(2\.1 kB\)\n$/);
    const left = await filesIn(folder);
    equal(left.some((path) => path.includes("minecraft")), false, left.join("\n"));
    equal(left.filter((path) => /bair/i.test(path)).length, 5, left.join("\n"));
    await rejects(models(false, cache, ["rm", "minecraft"], true), {
      message: /^Cannot remove "minecraft": no pulled model has that name/,
    });
    await rejects(models(false, cache, ["rm", "demo"], true), { message: /part of the program/ });
    await rejects(models(false, cache, ["rm"]), { name: "UsageError", message: /Say what to/ });
    await rejects(models(false, cache, ["x"]), { name: "UsageError", message: /rm NAME removes/ });
  }));

Deno.test("describeModels() never breaks a word on a screen, however narrow", async () => {
  const released = (await presetStates(await hubSettings(() => undefined))).map((preset) => ({
    ...preset,
    memory: { f16: 1e9, f32: 2e9 },
  }));
  const here = [{ name: "demo", source: "built in", path: "/a/b", bytes: 1e6 }];
  for (const columns of [40, 72, 80, 120, 199]) {
    const text = describeModels({ here, released, disk: 5e9 }, columns);
    for (const line of text.split("\n")) {
      const isOneWord = line.trim().split(" ").length === 1;
      ok(line.length <= columns || isOneWord, `${columns}: ${line}`);
    }
    equal(text.replace(/[\s,]+/g, ""), wide().replace(/[\s,]+/g, ""), `${columns}`);
  }
  function wide(): string {
    return describeModels({ here, released, disk: 5e9 });
  }
});
