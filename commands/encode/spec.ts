import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { CONFIG, INPUT, OUTPUT, OVERWRITE_OPTION, WORK_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { path, section, size } from "../../cli/option_rows.ts";
import { GPU } from "../../cli/permissions.ts";
import { MODEL_OPTIONS, PICK_OPTIONS, RESIZE, SOURCE_HELP } from "../../request/options.ts";

/** Options of `far encode`. */
export const ENCODE_OPTIONS = {
  ...MODEL_OPTIONS,
  ...PICK_OPTIONS,
  ...section(INPUT, {
    size: size("WxH", "crop and resize to", { default: "the source's, cropped" }),
    resize: RESIZE,
  }),
  config: CONFIG,
  ...section(OUTPUT, {
    output: path("FILE.safetensors", "file for the latents", { short: "o" }),
  }),
  ...OVERWRITE_OPTION,
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far encode`. */
export const ENCODE: CommandSpec = defineCommand({
  name: "encode",
  summary: "turn a video into latents",
  description: "Runs the autoencoder's encoder alone. The latents are not scaled.",
  arguments: [{ name: "SRC", help: SOURCE_HELP }],
  options: ENCODE_OPTIONS,
  examples: [{ line: "far encode clip.mp4 -o clip.safetensors", does: "all frames of a clip" }],
  permissions: GPU,
  load: () => import("./run.ts"),
});
