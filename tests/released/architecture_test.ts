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
