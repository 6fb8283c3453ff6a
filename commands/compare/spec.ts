import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { CONFIG, INPUT, OUTPUT, RESULT_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { flag, path, section, size, string } from "../../cli/option_rows.ts";
import { MEDIA } from "../../cli/permissions.ts";
import { LPIPS, PICK_OPTIONS, RESIZE, SOURCE_HELP } from "../../request/options.ts";

/** Options of `far compare`. */
export const COMPARE_OPTIONS = {
  ...PICK_OPTIONS,
  ...section(INPUT, {
    size: size("WxH", "crop and resize both to", {
      default: "the sources' size, which must be the same",
    }),
    resize: RESIZE,
    offset: string("A,B", "first frame of A and of B, if they differ; replaces --start"),
    lpips: LPIPS,
    given: flag("in files made by far, also compare the frames that were given to the model"),
  }),
  ...section(OUTPUT, {
    output: path("FILE", "A | B | difference as a video or picture, or the numbers as .csv", {
      short: "o",
      repeatable: true,
    }),
    plot: path("FILE.svg", "PSNR and SSIM over the frames"),
    overwrite: flag("replace outputs that exist"),
  }),
  config: CONFIG,
  ...RESULT_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far compare`. */
export const COMPARE: CommandSpec = defineCommand({
  name: "compare",
  summary: "measure how similar two videos are",
  description:
    "Prints mean squared error, PSNR (dB) and SSIM per frame and their means, as scikit-image " +
    "computes them for values in [0, 1]. Frames that far was given to continue are left out. Use " +
    "exact sources to evaluate: lossy video changes the numbers.",
  arguments: [{ name: "A", help: SOURCE_HELP }, { name: "B", help: "two exact clips" }],
  options: COMPARE_OPTIONS,
  examples: [
    { line: "far compare truth.npz made.npz --json", does: "as one JSON object" },
    {
      line: "far compare truth.npz made.npz -o side.mp4 -o numbers.csv --plot curve.svg",
      does: "as pictures, a table and a curve",
    },
  ],
  permissions: { ...MEDIA, write: true },
  load: () => import("./run.ts"),
});
