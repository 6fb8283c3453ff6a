import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { COMMON_OPTIONS, CONFIG, INPUT, JSON_OPTION } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { section, size } from "../../cli/option_rows.ts";
import { MEDIA } from "../../cli/permissions.ts";
import { PICK_OPTIONS, RESIZE, SOURCE_HELP } from "../../request/options.ts";

/** Options of `far compare`. */
export const COMPARE_OPTIONS = {
  ...PICK_OPTIONS,
  ...section(INPUT, {
    size: size("WxH", "crop and resize both to", { default: "the sources', which must agree" }),
    resize: RESIZE,
  }),
  config: CONFIG,
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
} satisfies OptionTable;

/** `far compare` as help, parser, completions and manual know it. */
export const COMPARE: CommandSpec = defineCommand({
  name: "compare",
  summary: "measure how similar two videos are",
  description:
    "Prints mean squared error, PSNR (dB) and SSIM per frame and their means, as scikit-image " +
    "computes them for values in [0, 1]. Use exact sources to evaluate: lossy video changes the " +
    "numbers.",
  arguments: [{ name: "A", help: SOURCE_HELP }, { name: "B", help: "the same" }],
  options: COMPARE_OPTIONS,
  examples: [{ line: "far compare truth.npz made.npz --json", does: "as one JSON object" }],
  permissions: MEDIA,
  load: () => import("./run.ts"),
});
