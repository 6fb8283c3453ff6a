import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { INPUT, OUTPUT, WORK_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { choice, flag, path, section, string } from "../../cli/option_rows.ts";
import { SAY } from "../../cli/permissions.ts";

/** Types that weights can be cast to. */
export const CAST = choice(["f32", "f16", "bf16"], "TYPE", "cast the weights", {
  default: "as stored",
});

/** Options of `far convert`. */
export const CONVERT_OPTIONS = {
  ...section(INPUT, {
    model: string("MODEL", "a model whose two parts are converted, with its names and clips", {
      short: "m",
    }),
    transformer: path(
      "FILE",
      "weights of the transformer: .pth, .safetensors, or a folder of FAR's trainer",
    ),
    vae: path("FILE", "weights of the autoencoder"),
    preset: string("NAME", "a released configuration; see `far models`"),
    architecture: string("NAME", "FAR, FAR_Long, FAR_B, ..., for training runs of your own"),
    config: path("FILE.json", "configuration of the transformer", {
      default: "the architecture's, otherwise recognised from the weights",
    }),
    vaeConfig: path("FILE.json", "configuration of the autoencoder, or 8x, 16x, 32x", {
      default: "recognised from the weights",
    }),
    mergeLora: path("FILE[:SCALE]", "add a LoRA to the weights of the transformer"),
    stateDict: string("KEY", "which state dict of a .pth", {
      default: "the EMA copy, otherwise the model",
    }),
    noEma: flag("use the raw weights even if there is an EMA copy"),
    allowNonFinite: flag("accept NaN and infinities"),
  }),
  ...section(OUTPUT, {
    output: path("DIR", "the model folder to write", { short: "o" }),
    dtype: CAST,
    overwrite: flag("replace the folder if it exists"),
  }),
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far convert`. */
export const CONVERT: CommandSpec = defineCommand({
  name: "convert",
  summary: "make a model folder from checkpoints",
  description:
    "Reads PyTorch or safetensors weights, checks their names and shapes against the architecture, " +
    "and writes a model folder. Nothing in a checkpoint is executed. The folder appears when it is " +
    "complete; an interrupted run continues when it is started again.",
  arguments: [],
  options: CONVERT_OPTIONS,
  examples: [
    {
      line: "far convert --transformer A.pth --vae B.pth " +
        "--preset FAR_B_ucf101_res64_200K_bs32 -o model",
      does: "released checkpoints",
    },
    {
      line: "far convert --transformer checkpoint-400000 --vae B.pth --architecture FAR_B " +
        "--vae-config 8x --dtype f16 -o model",
      does: "a training run of your own, as half-precision floats",
    },
    {
      line: "far convert -m demo --merge-lora maze/pytorch_lora_weights.safetensors -o maze-own",
      does: "a model with a LoRA melted in",
    },
  ],
  permissions: { read: true, write: true, env: SAY, sys: ["statfs"] },
  load: () => import("./run.ts"),
});
