import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { findModel, folderBytes, localModels, presetStates } from "../../released/local_models.ts";
import type { HubSettings } from "../../hub/settings.ts";
import { HUB_REPOSITORY, PRESETS } from "../../released/presets.ts";

const COMMIT = "c".repeat(40);

async function withSettings(use: (settings: HubSettings) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir();
  try {
    await use({
      endpoint: "http://127.0.0.1:9",
      cache: join(home, "hub"),
      models: join(home, "far"),
      token: undefined,
      offline: true,
      copies: false,
      timeout: 1,
    });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

async function put(path: string, text: string): Promise<void> {
  await Deno.mkdir(join(path, ".."), { recursive: true });
  await Deno.writeTextFile(path, text);
}

/** A model folder with fake weights, which no test reads. */
async function putModel(path: string): Promise<void> {
  await put(join(path, "model_index.json"), "{}");
  await put(join(path, "scheduler", "scheduler_config.json"), "{}");
  for (const part of ["transformer", "vae"]) {
    await put(join(path, part, "config.json"), "{}");
    await put(join(path, part, "diffusion_pytorch_model.safetensors"), "12345");
  }
}

Deno.test("localModels() finds nothing where nothing was pulled", async () => {
  await withSettings(async (settings) => {
    deepEqual(await localModels(settings), []);
    equal(await findModel("FAR_B_ucf101_res64_200K_bs32", settings), undefined);
    equal((await presetStates(settings)).every(({ state }) => state === "not pulled"), true);
  });
});

Deno.test("localModels() finds converted models and pulled repositories", async () => {
  await withSettings(async (settings) => {
    const preset = PRESETS[6]!;
    await put(join(settings.models, preset.name, "model_index.json"), "{}");
    await put(join(settings.models, preset.name, "vae", "weights"), "12345");
    const repository = join(settings.cache, "models--owner--name.v2");
    await put(join(repository, "refs", "main"), COMMIT);
    await putModel(join(repository, "snapshots", COMMIT));
    await put(join(settings.cache, "models--owner--nomodel", "refs", "main"), COMMIT);
    await put(join(settings.cache, "datasets--owner--data", "refs", "main"), COMMIT);
    const models = await localModels(settings);
    deepEqual(models.map(({ name, source, bytes }) => [name, source, bytes]), [
      [preset.name, "released", 7],
      ["owner/name.v2", "repository", 18],
    ]);
    for (const { name, path } of models) equal(await findModel(name, settings), path);
    equal(await findModel("owner/name.v2@other", settings), undefined);
    equal(await findModel(`owner/name.v2@${COMMIT}`, settings), models[1]!.path);
    equal(await findModel("../../etc", settings), undefined);
    equal(await findModel("owner/nomodel", settings), undefined);
  });
});

Deno.test("localModels() leaves out incomplete models: without a file, a shard", async () => {
  await withSettings(async (settings) => {
    const repository = join(settings.cache, "models--owner--name");
    const snapshot = join(repository, "snapshots", COMMIT);
    await put(join(repository, "refs", "main"), COMMIT);
    await putModel(snapshot);
    const weights = join(snapshot, "vae", "diffusion_pytorch_model.safetensors");
    await put(`${weights}.index.json`, `{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`);
    await Deno.rename(weights, join(snapshot, "vae", "1.safetensors"));
    deepEqual(await localModels(settings), []);
    await put(join(snapshot, "vae", "2.safetensors"), "x");
    equal((await localModels(settings)).length, 1);
    await Deno.remove(join(snapshot, "transformer", "config.json"));
    deepEqual(await localModels(settings), []);
  });
});

Deno.test("presetStates() says what a released model needs and whether it is here", async () => {
  await withSettings(async (settings) => {
    const [first] = PRESETS;
    const repository = `models--${HUB_REPOSITORY.replace("/", "--")}`;
    await put(join(settings.cache, repository, "refs", "main"), COMMIT);
    for (const file of [first!.transformerFile, first!.vaeFile]) {
      await put(join(settings.cache, repository, "snapshots", COMMIT, file), "x");
    }
    await put(join(settings.models, PRESETS[7]!.name, "model_index.json"), "{}");
    const states = await presetStates(settings);
    equal(states[0]!.state, "downloaded");
    equal(states[7]!.state, "ready");
    equal(states[12]!.state, "not pulled");
    deepEqual(states[0]!.condition, { kind: "action", count: 4 });
    deepEqual(states[7]!.condition, { kind: "label", count: 101 });
    deepEqual(states[12]!.condition, { kind: "none", count: 0 });
    equal(states[4]!.window, 30);
    equal(states[12]!.pixels, 256);
    ok(states[12]!.parameters.transformer > 6e8);
  });
});

Deno.test("folderBytes() counts what links point to", async () => {
  const folder = await Deno.makeTempDir();
  await put(join(folder, "a", "b"), "123");
  await Deno.symlink("a/b", join(folder, "link"));
  equal(await folderBytes(folder), 6);
  await Deno.remove(folder, { recursive: true });
});
