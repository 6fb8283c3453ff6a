import { deepEqual, equal, match } from "node:assert/strict";
import {
  architectureConfig,
  type ArchitectureName,
  ARCHITECTURES,
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
  HUB_REPOSITORY,
  type Preset,
  PRESET_LATENT_SIZE,
  PRESET_STEPS,
  presetFarJson,
  presetPixels,
  PRESETS,
} from "../../released/presets.ts";

const fixture = JSON.parse(
  await Deno.readTextFile(new URL("../fixtures/presets.json", import.meta.url)),
);

/** A preset as the fixture writes it. */
function published(preset: Preset) {
  return {
    name: preset.name,
    task: preset.task,
    architecture: preset.architecture,
    architecture_config: preset.config ?? {},
    transformer_file: preset.transformerFile,
    vae: preset.vae,
    vae_file: preset.vaeFile,
    context_frames: preset.context,
    generated_frames: preset.frames,
    guidance: preset.guidance,
    steps: PRESET_STEPS,
    latent_size: PRESET_LATENT_SIZE,
    dataset: `${preset.dataset}Dataset`,
    frame_interval: preset.frameInterval,
  };
}

Deno.test("PRESETS are the published configurations", () => {
  deepEqual(PRESETS.map(published), fixture.presets);
  equal(HUB_REPOSITORY, fixture.hub_repository);
});

Deno.test("architectureConfig() gives the published architectures", () => {
  const names = Object.keys(ARCHITECTURES) as ArchitectureName[];
  const configs = Object.fromEntries(names.map((name) => [name, architectureConfig(name)]));
  deepEqual(configs, fixture.architectures);
});

Deno.test("autoencoderConfig() gives the published autoencoders", () => {
  for (const name of Object.keys(COMPRESSION) as AutoencoderName[]) {
    const { _class_name, _diffusers_version, ...expected } = fixture.vae_configs[name];
    deepEqual(autoencoderConfig(name), expected);
  }
  deepEqual(Object.keys(COMPRESSION), Object.keys(fixture.vae_configs));
});

Deno.test("presetPixels() and the file names agree", () => {
  for (const preset of PRESETS) {
    match(preset.vaeFile, new RegExp(`Res${presetPixels(preset)}-[0-9a-f]{8}\\.pth$`));
    match(preset.transformerFile, new RegExp(`${presetPixels(preset)}-[0-9a-f]{8}\\.pth$`));
  }
});

Deno.test("presetFarJson() has the defaults of the published test", () => {
  const dmlab = presetFarJson(PRESETS[0]!);
  deepEqual(dmlab.defaults, { frames: 156, context_frames: 144, steps: 50, guidance: 1.5 });
  deepEqual(dmlab.actions, ["left", "right", "forward"]);
  const ucf = presetFarJson(PRESETS.at(-1)!);
  const defaults = { frames: 16, size: "256x256", steps: 50, guidance: 1, resize: "bilinear" };
  deepEqual(ucf.defaults, defaults);
  equal(ucf.fps, 8);
  for (const far of PRESETS.map(presetFarJson)) {
    deepEqual([far.positions, far.timesteps], ["bf16", "bf16"]);
  }
});
