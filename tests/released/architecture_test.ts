import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import { parseTransformerConfig } from "../../model/config.ts";
import { transformerConfig, vaeConfig } from "../../released/model_files.ts";
import { deepEqual, equal, throws } from "node:assert/strict";
import { autoencoderShapes, type Shapes, transformerShapes } from "../../released/architecture.ts";
import { isBatchCount } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../files/json.ts";
import { openPart } from "../../weights/model_folder.ts";
import {
  type ArchitectureName,
  ARCHITECTURES,
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
  presetConfig,
  PRESETS,
} from "../../released/presets.ts";
import { architectureConfig } from "../../released/presets.ts";
import { PthFile } from "../../weights/pth.ts";
import { recognise, sameShapes } from "../../released/recognise.ts";

const ROOT = `${import.meta.dirname}/../../`;
const GOLDENS = `${ROOT}tests/fixtures/goldens/`;
const MODELS = [
  "far-uncond",
  "far-label-flexrope",
  "far-action",
  "far-patch2",
  "far-long",
  "far-long-flexrope",
].map((name) => GOLDENS + name).concat(`${ROOT}weights/demo`);
const AUTOENCODERS = MODELS.map((path) => `${path}/vae`)
  .concat(["vae-8x", "vae-16x", "vae-32x"].map((name) => GOLDENS + name));

async function stored(path: string): Promise<{ config: JsonObject; shapes: Shapes }> {
  const part = await openPart(path);
  const checkpoint = await part.open();
  const names = checkpoint.names.filter((name) => !isBatchCount(name));
  const shapes = new Map(names.map((name) => [name, checkpoint.info(name)!.shape]));
  checkpoint.close();
  return { config: part.config, shapes };
}

const sorted = (shapes: Shapes) => [...shapes].sort(([a], [b]) => a < b ? -1 : 1);

for (const path of MODELS.map((path) => `${path}/transformer`)) {
  Deno.test(`transformerShapes() gives the names and shapes of ${path.slice(ROOT.length)}`, async () => {
    const { config, shapes } = await stored(path);
    deepEqual(sorted(transformerShapes(config)), sorted(shapes));
  });
}

for (const path of AUTOENCODERS) {
  Deno.test(`autoencoderShapes() gives the names and shapes of ${path.slice(ROOT.length)}`, async () => {
    const { config, shapes } = await stored(path);
    deepEqual(sorted(autoencoderShapes(config)), sorted(shapes));
  });
}

for (const path of [...MODELS.map((path) => `${path}/transformer`), ...AUTOENCODERS]) {
  Deno.test(`recognise() finds the configuration of ${path.slice(ROOT.length)}`, async () => {
    const { config, shapes } = await stored(path);
    const found = recognise(shapes)!;
    for (const [name, value] of Object.entries(config)) {
      const hidden = name.startsWith("_") || found.assumed.includes(name) ||
        found.assumed.includes(`${name}[0]`);
      if (!hidden) deepEqual(found.config[name] ?? null, value, name);
    }
  });
}

Deno.test("recognise() names every released architecture", () => {
  for (const name of Object.keys(ARCHITECTURES) as ArchitectureName[]) {
    equal(recognise(transformerShapes(architectureConfig(name)))?.name, name);
  }
  for (const name of Object.keys(COMPRESSION) as AutoencoderName[]) {
    equal(recognise(autoencoderShapes(autoencoderConfig(name)))?.name, name);
  }
  for (const preset of PRESETS) {
    equal(recognise(transformerShapes(presetConfig(preset)))?.name, preset.architecture);
  }
});

Deno.test("recognise() reads a checkpoint of PyTorch", async () => {
  const file = await PthFile.open(`${GOLDENS}checkpoints/far-uncond.pth`);
  const found = recognise(new Map([...file.tensors].map(([name, { shape }]) => [name, shape])));
  equal(found?.kind, "transformer");
  equal(found?.config.num_attention_heads, 2);
  file.close();
});

Deno.test("recognise() doesn't name what only looks like one", async () => {
  const { shapes } = await stored(`${GOLDENS}far-uncond/transformer`);
  equal(recognise(new Map([...shapes, ["extra", [1]]])), undefined);
  equal(recognise(new Map([...shapes].slice(1))), undefined);
  equal(recognise(new Map([...shapes, ["x_embedder.bias", [7]]])), undefined);
  equal(recognise(new Map()), undefined);
  equal(recognise(new Map([["encoder.conv_out.weight", [32, 4, 3, 3]]])), undefined);
  equal(recognise(new Map([["x_embedder.weight", [1e9, 3]]])), undefined);
  equal(recognise(new Map([["encoder.down_blocks.9999.0.conv2.weight", [1, 1, 3, 3]]])), undefined);
});

Deno.test("sameShapes() compares names and sizes", () => {
  const a = new Map([["w", [2, 3]]]);
  equal(sameShapes(a, new Map([["w", [2, 3]]])), true);
  equal(sameShapes(a, new Map([["w", [3, 2]]])), false);
  equal(sameShapes(a, new Map([["v", [2, 3]]])), false);
});

Deno.test("transformerShapes() counts the parameters the paper's model zoo gives", () => {
  // FAR-B 130 M, FAR-L 457 M, FAR-XL 657 M, FAR-B-Long 150 M, FAR-M-Long 280 M
  const published = { FAR_B: 130, FAR_L: 457, FAR_XL: 657, FAR_B_Long: 150, FAR_M_Long: 280 };
  for (const [name, millions] of Object.entries(published)) {
    let total = 0;
    const shapes = transformerShapes(architectureConfig(name as ArchitectureName));
    for (const shape of shapes.values()) total += shape.reduce((a, b) => a * b, 1);
    equal(Math.abs(total / 1e6 - millions) / millions < 0.08, true, `${name}: ${total / 1e6} M`);
  }
});

const good = architectureConfig("FAR_B");
const BAD_TRANSFORMERS: [what: string, config: JsonObject][] = [
  ["no heads", { ...good, num_attention_heads: 0 }],
  ["heads of text", { ...good, num_attention_heads: "12" }],
  ["layers without an end", { ...good, num_layers: 1e6 }],
  ["half a layer", { ...good, num_layers: 1.5 }],
  ["another class", { ...good, _class_name: "FluxTransformer2DModel" }],
  ["an unknown condition", { ...good, condition_cfg: { type: "text" } }],
  ["a condition of text", { ...good, condition_cfg: "label" }],
  ["labels without a count", { ...good, condition_cfg: { type: "label" } }],
];
for (const [what, config] of BAD_TRANSFORMERS) {
  Deno.test(`transformerShapes() refuses ${what}`, () => {
    throws(() => transformerShapes(config), { reason: "BadConfig" });
  });
}

const goodVae = autoencoderConfig("8x");
const BAD_AUTOENCODERS: [what: string, config: JsonObject][] = [
  ["multiscale attention", { ...goodVae, encoder_qkv_multiscales: [[], [], [], [5]] }],
  ["a missing list", { ...goodVae, decoder_layers_per_block: null }],
  ["lists of different lengths", { ...goodVae, decoder_layers_per_block: [0, 5, 10] }],
  ["one stage", { ...goodVae, encoder_block_out_channels: [128] }],
  ["an unknown block", { ...goodVae, encoder_block_types: "AttnBlock" }],
  ["an unknown norm", { ...goodVae, decoder_norm_types: "group_norm" }],
  ["strided convolutions", { ...goodVae, downsample_block_type: "conv" }],
  ["interpolation", { ...goodVae, upsample_block_type: "interpolate" }],
  ["channels that 4 doesn't divide", {
    ...goodVae,
    encoder_block_out_channels: [128, 250, 512, 512],
  }],
];
for (const [what, config] of BAD_AUTOENCODERS) {
  Deno.test(`autoencoderShapes() refuses ${what}`, () => {
    throws(() => autoencoderShapes(config), { reason: "BadConfig" });
  });
}

const MORE_TRANSFORMERS: [what: string, change: JsonObject, accepted: boolean][] = [
  ["nothing changed", {}, true],
  ["heads of 32", { attention_head_dim: 32 }, false],
  ["other channels out than in", { out_channels: 16 }, false],
  ["odd axes", { axes_dims_rope: [8, 28, 28] }, false],
  ["axes of another sum", { axes_dims_rope: [16, 16, 16] }, false],
  ["rows and columns that differ", { axes_dims_rope: [16, 16, 32] }, false],
  ["a slope of text", { slope_scale: "x" }, false],
  ["a slope", { slope_scale: 0.5 }, true],
  ["three channels", { in_channels: 3, out_channels: 3 }, false],
  ["a larger patch", { patch_size: 2 }, true],
  ["an unknown entry", { depth: 3 }, false],
  ["labels", { condition_cfg: { type: "label", num_classes: 101 } }, true],
  ["no labels at all", { condition_cfg: { type: "label", num_classes: 0 } }, false],
  ["a condition of text", { condition_cfg: "label" }, false],
  ["a list of conditions", { condition_cfg: [] }, false],
  ["a million layers", { num_layers: 1e6 }, false],
  ["heads beyond all", { num_attention_heads: 1e9 }, false],
  ["no window", { short_term_ctx_winsize: 0 }, false],
];
const MORE_AUTOENCODERS: [what: string, change: JsonObject, accepted: boolean][] = [
  ["nothing changed", {}, true],
  ["diffusers' shortcuts", { encoder_out_shortcut: true, decoder_in_shortcut: true }, true],
  ["no shortcut", { encoder_out_shortcut: false }, false],
  ["diffusers' activation", { decoder_conv_act_fn: "relu" }, true],
  ["another activation", { decoder_conv_act_fn: "gelu" }, false],
  ["grey pictures", { in_channels: 1 }, false],
  ["no scale", { scaling_factor: null }, false],
  ["an infinite scale", { scaling_factor: Infinity }, false],
  ["an odd head", { attention_head_dim: 30 }, false],
  ["latents that don't divide", { latent_channels: 24 }, false],
  ["a million layers", { encoder_layers_per_block: [0, 1e6, 8, 2] }, false],
];

function verdict(check: () => unknown): string {
  try {
    check();
    return "accepted";
  } catch (error) {
    return (error as Error).message;
  }
}

for (const [what, change, accepted] of MORE_TRANSFORMERS) {
  Deno.test(`convert and generate say the same of a transformer with ${what}`, () => {
    const config = { ...good, ...change };
    const said = verdict(() => parseTransformerConfig(config)); // generate, inspect, models
    equal(said === "accepted", accepted, said);
    equal(verdict(() => transformerConfig(undefined, config)), said);
    equal(verdict(() => transformerShapes(config)), said);
  });
}
for (const [what, change, accepted] of MORE_AUTOENCODERS) {
  Deno.test(`convert and generate say the same of an autoencoder with ${what}`, () => {
    const config = { ...goodVae, ...change };
    const said = verdict(() => parseAutoencoderConfig(config));
    equal(said === "accepted", accepted, said);
    equal(verdict(() => vaeConfig(config)), said);
    equal(verdict(() => autoencoderShapes(config)), said);
  });
}

Deno.test("autoencoderShapes() takes one word for all stages", () => {
  const config = { ...goodVae, decoder_norm_types: "rms_norm", encoder_block_types: "ResBlock" };
  const shapes = autoencoderShapes(config);
  equal([...shapes.keys()].some((name) => name.endsWith("running_mean")), false);
  equal(shapes.has("encoder.down_blocks.3.0.conv2.weight"), true);
});

Deno.test("autoencoderShapes() puts plain convolutions where the first stage has layers", () => {
  const config = {
    ...goodVae,
    encoder_layers_per_block: [1, 1, 1, 1],
    decoder_layers_per_block: [1, 1, 1, 1],
  };
  const shapes = autoencoderShapes(config);
  deepEqual(shapes.get("encoder.conv_in.weight"), [128, 3, 3, 3]);
  deepEqual(shapes.get("decoder.conv_out.weight"), [3, 128, 3, 3]);
  deepEqual(shapes.get("encoder.down_blocks.0.1.conv.weight"), [64, 128, 3, 3]);
  deepEqual(shapes.get("decoder.up_blocks.0.0.conv.weight"), [512, 256, 3, 3]);
});
