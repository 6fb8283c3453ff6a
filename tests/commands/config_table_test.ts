import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../../cli.ts";
import type { JsonObject } from "../../files/json.ts";
import { inFolder } from "../support/folder.ts";
import { recorder } from "../support/recorder.ts";
import { withVariables } from "../support/environment.ts";

const GOLDEN = join(import.meta.dirname!, "../fixtures/goldens/far-uncond");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const ignore = Deno.build.os === "windows"; // links need a privilege there

/** A change of a part's config.json: entries, undefined to remove one, or the whole text. */
type Change = Record<string, unknown> | string;
/** Part, change, and the refusal; without one the configuration is accepted. */
type Case = [part: "transformer" | "vae" | "scheduler", change: Change, refusal?: RegExp];

const whole = (name: string) => new RegExp(`"${name}" must be a positive whole number, but is `);
const CASES: Case[] = [
  ["transformer", {}],
  ["transformer", { slope_scale: 0.5 }],
  ["transformer", { slope_scale: undefined }],
  ["transformer", { slope_scale: null }],
  ["transformer", { condition_cfg: undefined }],
  ["transformer", { _class_name: undefined }],
  ["transformer", { _diffusers_version: null, _name_or_path: "x" }],
  ["transformer", { attention_head_dim: 32 }, /"attention_head_dim" is 32, only 64/],
  ["transformer", { attention_head_dim: undefined }, whole("attention_head_dim")],
  ["transformer", { out_channels: 16 }, /"out_channels" is 16, only 32/],
  ["transformer", { in_channels: 33, out_channels: 33 }, /33 channels are not a multiple of 4/],
  ["transformer", { in_channels: 16, out_channels: 16 }, /it makes 32 .* transformer takes 16/],
  ["transformer", { axes_dims_rope: [8, 28, 28] }, /axes_dims_rope \[8,28,28\] is not supported/],
  ["transformer", { axes_dims_rope: [15, 25, 24] }, /axes_dims_rope/],
  ["transformer", { axes_dims_rope: [64, 0, 0] }, /axes_dims_rope/],
  ["transformer", { axes_dims_rope: [16, 48] }, /axes_dims_rope/],
  ["transformer", { axes_dims_rope: null }, /axes_dims_rope null/],
  ["transformer", { axes_dims_rope: undefined }, /axes_dims_rope undefined/],
  ["transformer", { slope_scale: "x" }, /slope_scale must be a number, not "x"/],
  ["transformer", { slope_scale: "NaN" }, /slope_scale must be a number, not "NaN"/],
  ["transformer", { num_layers: undefined }, whole("num_layers")],
  ["transformer", { num_layers: null }, whole("num_layers")],
  ["transformer", { num_layers: -2 }, whole("num_layers")],
  ["transformer", { num_layers: 0 }, whole("num_layers")],
  ["transformer", { num_layers: 1.5 }, whole("num_layers")],
  ["transformer", { num_layers: "NaN" }, whole("num_layers")],
  ["transformer", { num_layers: 1e9 }, /"num_layers" is 1000000000; the limit is 1000/],
  ["transformer", { num_attention_heads: undefined }, whole("num_attention_heads")],
  ["transformer", { num_attention_heads: 1e9 }, /"num_attention_heads" is 1000000000; the limit/],
  ["transformer", { num_attention_heads: [2] }, whole("num_attention_heads")],
  ["transformer", { patch_size: 0 }, whole("patch_size")],
  ["transformer", { short_term_ctx_winsize: undefined }, whole("short_term_ctx_winsize")],
  ["transformer", { short_term_ctx_winsize: "16" }, whole("short_term_ctx_winsize")],
  ["transformer", { _class_name: "DiT" }, /class "DiT" is neither FAR nor FAR_Long/],
  ["transformer", { _class_name: 7 }, /class 7 is neither FAR nor FAR_Long/],
  ["transformer", { _class_name: "FAR_Long" }, whole("context_patch_size")],
  ["transformer", { context_patch_size: 4 }, /FAR has no context_patch_size/],
  ["transformer", { qk_norm: true }, /config entry "qk_norm" is not supported/],
  ["transformer", { condition_cfg: { type: "text" } }, /condition_cfg type "text" is unknown/],
  ["transformer", { condition_cfg: "label" }, /condition_cfg "label" is not an object/],
  ["transformer", { condition_cfg: { type: "label" } }, whole("num_classes")],
  ["transformer", { condition_cfg: { type: "action", num_action_classes: -4 } }, /positive whole/],
  ["transformer", "{", /Cannot read ".*transformer\/config\.json"/],
  ["transformer", "[]", /Cannot read ".*transformer\/config\.json": it is not a JSON object/],
  ["transformer", '{"num_layers": NaN}', /Cannot read ".*transformer\/config\.json"/],
  ["vae", { scaling_factor: 1 }],
  ["vae", { encoder_out_shortcut: true, decoder_in_shortcut: true }],
  ["vae", { encoder_qkv_multiscales: undefined }],
  ["vae", { _class_name: "AutoencoderDC" }],
  ["vae", { encoder_out_shortcut: false }, /encoder_out_shortcut false is not supported/],
  ["vae", { encoder_out_shortcut: "yes" }, /encoder_out_shortcut "yes" is not supported/],
  ["vae", { encoder_block_types: ["ResBlock"] }, /"encoder_block_types" must list 4 values/],
  ["vae", { decoder_block_types: "UNetBlock" }, /decoder block type "UNetBlock" is not supported/],
  ["vae", { decoder_layers_per_block: [1, 1] }, /"decoder_layers_per_block" must list 4 values/],
  [
    "vae",
    { encoder_layers_per_block: [0, 1, 1, -1] },
    /"encoder_layers_per_block" must hold usable/,
  ],
  ["vae", { encoder_layers_per_block: [0, 1, 1, 1e9] }, /"encoder_layers_per_block" must hold/],
  [
    "vae",
    { encoder_block_out_channels: [16, 16] },
    /"encoder_layers_per_block" must list 2 values/,
  ],
  ["vae", { decoder_norm_types: undefined }, /"decoder_norm_types" must list 4 values/],
  ["vae", { decoder_act_fns: ["relu", "relu", "relu", "gelu"] }, /decoder activation "gelu"/],
  ["vae", { encoder_qkv_multiscales: [[], [], [], [5]] }, /encoder_qkv_multiscales/],
  ["vae", { latent_channels: null }, whole("latent_channels")],
  ["vae", { latent_channels: 1e9 }, /"latent_channels" is 1000000000; the limit/],
  ["vae", { attention_head_dim: undefined }, whole("attention_head_dim")],
  ["vae", { scaling_factor: 0 }, /scaling_factor must be a positive number, but is 0/],
  ["vae", { scaling_factor: "NaN" }, /scaling_factor must be a positive number/],
  ["vae", { scaling_factor: undefined }, /scaling_factor must be a positive number/],
  ["vae", { in_channels: 4 }, /in_channels 4 is not supported, only 3/],
  ["vae", { _class_name: "AutoencoderKL" }, /class "AutoencoderKL" is not AutoencoderDC/],
  ["vae", { force_upcast: true }, /config entry "force_upcast" is not supported/],
  ["scheduler", { _class_name: "DDIMScheduler" }, /scheduler "DDIMScheduler" is not supported/],
  ["scheduler", { shift: 0 }, /scheduler shift 0 is not supported/],
  ["scheduler", { shift: "3" }, /scheduler shift "3" is not supported/],
  ["scheduler", { shift: null }, /scheduler shift null is not supported/],
  ["scheduler", { shift_terminal: 1 }, /scheduler shift_terminal 1 is not supported/],
  ["scheduler", { shift_terminal: -0.1 }, /scheduler shift_terminal -0.1 is not supported/],
  ["scheduler", { shift_terminal: [0.5] }, /scheduler shift_terminal \[0.5\] is not supported/],
  ["scheduler", { num_train_timesteps: 500 }, /num_train_timesteps 500 is not supported/],
  ["scheduler", { use_karras_sigmas: true }, /use_karras_sigmas is not supported/],
];

/** The golden model with one configuration changed. */
async function makeModel(folder: string, part: string, change: Change): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.copyFile(join(GOLDEN, "model_index.json"), join(folder, "model_index.json"));
  for (const name of ["transformer", "vae", "scheduler"]) {
    await Deno.mkdir(join(folder, name));
    for (const { name: file } of Deno.readDirSync(join(GOLDEN, name))) {
      await Deno.symlink(join(GOLDEN, name, file), join(folder, name, file));
    }
  }
  const name = part === "scheduler" ? "scheduler_config.json" : "config.json";
  const config: JsonObject = JSON.parse(await Deno.readTextFile(join(GOLDEN, part, name)));
  const text = typeof change === "string" ? change : JSON.stringify({ ...config, ...change });
  await Deno.remove(join(folder, part, name));
  await Deno.writeTextFile(join(folder, part, name), text);
}

/** The error of a command, or undefined if it accepts its model. */
async function refusalOf(...argv: string[]): Promise<string | undefined> {
  const terminal = recorder();
  const status = await main(argv, terminal);
  const error = terminal.stderr.find((line) => line.startsWith("error: "))?.slice(7);
  assert.equal(status === 0, error === undefined, `${status}: ${error}`);
  return error;
}

/** What `far models` says about the only model in a cache. */
async function problemIn(cache: string): Promise<string | undefined> {
  const terminal = recorder();
  const list = () => main(["models", "--json"], terminal);
  assert.equal(await withVariables({ HF_HUB_CACHE: cache }, list), 0);
  const { models } = JSON.parse(terminal.stdout);
  const found = models.filter(({ name }: { name: string }) => name === "me/world");
  assert.equal(found.length, 1, "it is listed");
  return found[0].problem;
}

for (const [part, change, refusal] of CASES) {
  const text = typeof change === "string" ? change : Deno.inspect(change, { breakLength: 200 });
  const how = refusal ? "refuse" : "accept";
  Deno.test(
    { name: `convert, inspect, models and generate ${how} ${part} ${text}`, ignore },
    () =>
      inFolder(async (folder) => {
        const cache = join(await Deno.realPath(folder), "hub");
        const repository = join(cache, "models--me--world");
        const model = join(repository, "snapshots", COMMIT);
        await makeModel(model, part, change);
        await Deno.mkdir(join(repository, "refs"));
        await Deno.writeTextFile(join(repository, "refs/main"), COMMIT);
        const said = {
          generate: await refusalOf("generate", "-m", model, "-n", "1", "--dry-run", "--quiet"),
          inspect: await refusalOf("inspect", model),
          convert: await refusalOf("convert", "--model", model, "-o", join(folder, "out"), "-q"),
          models: await problemIn(cache),
        };
        if (refusal) assert.match(said.generate ?? "accepted", refusal);
        const { generate: words } = said;
        assert.deepEqual(said, { generate: words, inspect: words, convert: words, models: words });
        if (!refusal) assert.equal(words, undefined);
      }),
  );
}
