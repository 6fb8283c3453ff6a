import assert from "node:assert/strict";
import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";

type Json = Record<string, unknown>;

const FIXTURES = new URL("../fixtures/", import.meta.url);
const PRESETS = JSON.parse(Deno.readTextFileSync(new URL("presets.json", FIXTURES)));

function golden(): Json {
  return JSON.parse(Deno.readTextFileSync(new URL("goldens/vae-8x/config.json", FIXTURES)));
}

for (const [name, config] of Object.entries(PRESETS.vae_configs as Record<string, Json>)) {
  Deno.test(`parseAutoencoderConfig() reads the released ${name}`, () => {
    const sizes = parseAutoencoderConfig(config);
    assert.equal(`${sizes.compression}x`, name);
    assert.equal(sizes.latentChannels, 32);
    assert.equal(sizes.headDim, 32);
    assert.equal(sizes.scalingFactor, 0.2889);
    assert.deepEqual(sizes.encoder.map((s) => s.channels), config.encoder_block_out_channels);
    assert.deepEqual(sizes.decoder.map((s) => s.layers), config.decoder_layers_per_block);
    assert.deepEqual(sizes.decoder.map((s) => s.norm), config.decoder_norm_types);
    assert.deepEqual(sizes.decoder.map((s) => s.activation), config.decoder_act_fns);
    assert.ok(sizes.encoder.every((s) => s.norm === "rms_norm" && s.activation === "silu"));
  });
}

Deno.test("parseAutoencoderConfig() takes one name for all stages", () => {
  const sizes = parseAutoencoderConfig({
    ...golden(),
    decoder_block_types: "ResBlock",
    decoder_norm_types: "rms_norm",
    decoder_act_fns: "silu",
  });
  assert.deepEqual(new Set(sizes.decoder.map((s) => s.kind)), new Set(["ResBlock"]));
  assert.deepEqual(new Set(sizes.decoder.map((s) => s.norm)), new Set(["rms_norm"]));
});

/** A change to a good configuration, and the error it must give. */
const REFUSED: [string, Json, RegExp][] = [
  ["attention scales", { encoder_qkv_multiscales: [[], [], [], [5]] }, /encoder_qkv_multiscales/],
  ["another block", { encoder_block_types: "ViT" }, /encoder block type "ViT" .* ResBlock and/],
  ["another norm", { decoder_norm_types: "layer_norm" }, /decoder norm "layer_norm" is not/],
  ["another activation", { decoder_act_fns: "gelu" }, /decoder activation "gelu" is not/],
  ["convolutions that stride", { downsample_block_type: "conv" }, /downsample_block_type "conv"/],
  ["interpolation", { upsample_block_type: "interpolate" }, /upsample_block_type "interpolate"/],
  ["an entry it does not know", { tiling: 2 }, /config entry "tiling" is not supported/],
  ["another class", { _class_name: "AutoencoderKL" }, /class "AutoencoderKL" is not/],
  ["grey images", { in_channels: 1 }, /in_channels 1 is not supported, only 3/],
  ["no scaling factor", { scaling_factor: undefined }, /scaling_factor must be a positive number/],
  ["lists of other lengths", { encoder_layers_per_block: [1] }, /must list 4 values, but is \[1\]/],
  ["a stage without blocks", { decoder_layers_per_block: [1, 0, 1, 1] }, /decoder stage 1 has no/],
  ["fractions", { latent_channels: 31.5 }, /"latent_channels" must be a positive whole number/],
  ["latents of odd channels", { latent_channels: 6 }, /latent_channels 6 is not a multiple of 4/],
  [
    "widths that heads do not divide",
    { attention_head_dim: 24 },
    /stage 3: 32 channels are not he/,
  ],
  [
    "a batch norm around attention",
    { decoder_norm_types: "batch_norm" },
    /decoder stage 3: EfficientViTBlock with batch_norm/,
  ],
  [
    "shortcuts that do not divide",
    { encoder_block_out_channels: [16, 16, 48, 32] },
    /encoder stage 1: 4 x 16 channels are not a multiple of 48/,
  ],
  [
    "halves of different depth",
    {
      decoder_block_out_channels: [16, 32, 32],
      decoder_layers_per_block: [0, 1, 1],
      decoder_block_types: "ResBlock",
      decoder_norm_types: "rms_norm",
      decoder_act_fns: "relu",
    },
    /its encoder has 4 stages, its decoder 3/,
  ],
];

for (const [name, change, message] of REFUSED) {
  Deno.test(`parseAutoencoderConfig() refuses ${name}`, () => {
    assert.throws(() => parseAutoencoderConfig({ ...golden(), ...change }), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /^Cannot use this autoencoder: [^\n]+$/);
      assert.match(error.message, message);
      return true;
    });
  });
}
