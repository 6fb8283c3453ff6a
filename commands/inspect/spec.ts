import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { OUTPUT, RESULT_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { integer, section } from "../../cli/option_rows.ts";
import { CODECS, HUB, MEDIA, SAY } from "../../cli/permissions.ts";

/** Options of `far inspect`. */
export const INSPECT_OPTIONS = {
  ...section(OUTPUT, {
    frames: integer("N", "compute the memory for N frames of a model or transformer", {
      short: "n",
      min: 1,
    }),
  }),
  ...RESULT_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far inspect`. */
export const INSPECT: CommandSpec = defineCommand({
  name: "inspect",
  summary: "describe a file or folder",
  description:
    "For a model: its parts, sizes and the GPU memory a run takes. For a file of weights: tensors, " +
    "types and the architecture, recognised by its shapes. For a video or clip: the command that " +
    "made it, and which action drives which frame.",
  arguments: [{ name: "FILE|DIR", help: "a model, .pth, .safetensors, .npz, video or image" }],
  options: INSPECT_OPTIONS,
  examples: [
    { line: "far inspect demo --frames 100", does: "memory for 100 frames of the demo model" },
    { line: "far inspect maze.mp4", does: "the command that makes it again" },
  ],
  permissions: { ...MEDIA, env: [...SAY, ...CODECS, ...HUB], sys: ["homedir"] },
  load: () => import("./run.ts"),
});
