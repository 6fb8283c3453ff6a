import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { INPUT, LOGGING, OUTPUT, WORK_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { flag, section, string } from "../../cli/option_rows.ts";
import { HUB, SAY } from "../../cli/permissions.ts";
import { CAST } from "../convert/spec.ts";

/** Options of `far pull`. */
export const PULL_OPTIONS = {
  ...section(INPUT, {
    revision: string("REV", "branch, tag or commit", { default: "main" }),
    offline: flag("use only what is already downloaded"),
  }),
  ...section(OUTPUT, {
    dtype: { ...CAST, help: "cast the weights of a released model" },
    overwrite: flag("convert a released model again"),
  }),
  ...section(LOGGING, { dryRun: flag("print what would be fetched, and stop") }),
  ...WORK_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far pull`. */
export const PULL: CommandSpec = defineCommand({
  name: "pull",
  summary: "fetch a released model from the hub",
  description:
    "Fetches the two checkpoints of a released model, verifies them and converts them; or fetches " +
    "a model folder, or one file, of any repository. Files go into the hub's own cache, where its " +
    "Python client finds them too; an interrupted download continues where it stopped. The path is " +
    "printed.",
  arguments: [{ name: "NAME", help: "a released model, or owner/name[/FILE][@revision]" }],
  options: PULL_OPTIONS,
  examples: [
    {
      line: "far pull FAR_B_ucf101_res64_200K_bs32",
      does: "then run it with far generate --model",
    },
    { line: "far pull guyuchao/FAR_Models/README.md", does: "one file, its path is printed" },
    { line: "far pull owner/name@v1.0 --dry-run", does: "what would be fetched" },
  ],
  permissions: {
    read: true,
    write: true,
    net: ["huggingface.co", "*.huggingface.co", "*.hf.co"],
    env: [...SAY, ...HUB],
    sys: ["homedir", "statfs"],
  },
  load: () => import("./run.ts"),
});
