import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { CONFIG, OVERWRITE_OPTION, WORK_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { GPU } from "../../cli/permissions.ts";
import { ENCODING_OPTIONS, METADATA_OPTION, MODEL_OPTIONS } from "../../request/options.ts";

/** Options of `far decode`. */
export const DECODE_OPTIONS = {
  ...MODEL_OPTIONS,
  config: CONFIG,
  ...ENCODING_OPTIONS,
  ...METADATA_OPTION,
  ...OVERWRITE_OPTION,
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far decode`. */
export const DECODE: CommandSpec = defineCommand({
  name: "decode",
  summary: "turn latents into a video",
  description:
    "Runs the autoencoder's decoder alone, on latents of `far encode` or `far generate`.",
  arguments: [{
    name: "FILE.safetensors",
    help: "`latents`: [videos, t, c, h, w] or [t, c, h, w]",
  }],
  options: DECODE_OPTIONS,
  examples: [{ line: "far decode clip.safetensors -o again.mp4", does: "back to a video" }],
  permissions: GPU,
  load: () => import("./run.ts"),
});
