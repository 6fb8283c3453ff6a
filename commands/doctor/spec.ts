import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { COMMON_OPTIONS, GENERATION, JSON_OPTION, OUTPUT } from "../../cli/common_options.ts";
import { flag, section } from "../../cli/option_rows.ts";
import { GPU, TEMPORARY } from "../../cli/permissions.ts";
import { MODEL_OPTIONS } from "../../request/options.ts";

/** Options of `far doctor`. */
export const DOCTOR_OPTIONS = {
  backend: MODEL_OPTIONS.backend,
  ...section(GENERATION, { noTest: flag("skip the self-test") }),
  ...section(OUTPUT, { devices: flag("list the adapters, and stop") }),
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
} satisfies OptionTable;

/** `far doctor` as help, parser, completions and manual know it. */
export const DOCTOR: CommandSpec = defineCommand({
  name: "doctor",
  summary: "look at what this machine offers, and test it",
  description:
    "Says which adapter, arithmetic and codecs will be used, where files go and what is free, and " +
    "runs every kernel and the demo model against known results. For whatever fails it names the " +
    "command that mends it. The exit status is 1 where something failed.",
  arguments: [],
  options: DOCTOR_OPTIONS,
  examples: [
    { line: "far doctor", does: "everything, in some seconds" },
    { line: "far doctor --json", does: "for a bug report" },
    { line: "far doctor --devices", does: "the adapters alone" },
  ],
  permissions: { ...GPU, env: [...GPU.env, ...TEMPORARY], sys: [...GPU.sys, "statfs", "uid"] },
  load: () => import("./run.ts"),
});
