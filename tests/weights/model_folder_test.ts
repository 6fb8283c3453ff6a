import { equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { openModelFolder, openPart } from "../../weights/model_folder.ts";

const DEMO = `${import.meta.dirname}/../../weights/demo`;
const GOLDENS = `${import.meta.dirname}/../fixtures/goldens/`;

Deno.test("openModelFolder() reads the demo model", async () => {
  const model = await openModelFolder(DEMO);
  equal(model.modelIndex._class_name, "FARPipeline");
  equal(model.transformer.config._class_name, "FAR_Long");
  equal(model.scheduler.shift, 1);
  equal(model.far?.name, "maze");
  const transformer = await model.transformer.open();
  equal(transformer.names.length, 237);
  transformer.close();
});

Deno.test("openModelFolder() does not need far.json", async () => {
  const model = await openModelFolder(`${GOLDENS}far-uncond`);
  equal(model.far, undefined);
  const vae = await model.vae.open();
  equal(vae.has("decoder.conv_in.weight"), true);
  vae.close();
});

Deno.test("openPart() reads an autoencoder alone", async () => {
  const part = await openPart(`${GOLDENS}vae-16x`);
  equal(part.config.latent_channels, 32);
});

Deno.test("openModelFolder() takes an autoencoder's own folder, without a transformer", async () => {
  const model = await openModelFolder(`${GOLDENS}vae-8x`);
  equal(model.vae.config._class_name, "MyAutoencoderDC");
  const vae = await model.vae.open();
  equal(vae.has("decoder.conv_in.weight"), true);
  vae.close();
  await rejects(async () => await model.transformer.open());
});

Deno.test("openModelFolder() refuses folders that are not models", async () => {
  await rejects(openModelFolder("/nowhere"), { reason: "NotFound" });
  const part = `${GOLDENS}far-uncond/transformer`;
  await rejects(openModelFolder(part), /not a folder with a model_index.json/);
});

Deno.test("openModelFolder() names the file that is missing or broken", async () => {
  const folder = await Deno.makeTempDir();
  const put = async (path: string, text: string) => {
    await Deno.mkdir(join(folder, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  };
  await put("model_index.json", "{}");
  await rejects(openModelFolder(folder), /transformer\/config\.json/);
  await put("transformer/config.json", "[]");
  await rejects(openModelFolder(folder), { reason: "BadConfig", message: /is not a JSON object/ });
  await put("transformer/config.json", `{"a":1,"a":2}`);
  await rejects(openModelFolder(folder), { reason: "BadConfig", message: /occurs twice/ });
  await put("transformer/config.json", "{}");
  await rejects(openModelFolder(folder), { reason: "NotFound", message: /neither diffusion/ });
  await Deno.remove(folder, { recursive: true });
});
