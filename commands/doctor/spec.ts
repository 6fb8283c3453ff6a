import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { GENERATION, OUTPUT, RESULT_OPTIONS } from "../../cli/common_options.ts";
import { flag, section } from "../../cli/option_rows.ts";
import { GPU, TEMPORARY } from "../../cli/permissions.ts";
import { MODEL_OPTIONS } from "../../request/options.ts";

/** Options of `far doctor`. */
export const DOCTOR_OPTIONS = {
  backend: MODEL_OPTIONS.backend,
  ...section(GENERATION, { noTest: flag("skip the self-test") }),
  ...section(OUTPUT, { devices: flag("list the adapters, and stop") }),
  ...RESULT_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far doctor`. */
export const DOCTOR: CommandSpec = defineCommand({
  name: "doctor",
  summary: "check what this machine offers, and test it",
  description:
    "Shows which adapter, data type and codecs will be used, where files go and how much space is free, and " +
    "checks every kernel and the demo model against known results. For each failure it prints the " +
    "command that fixes it. The exit status is 1 if something failed.",
  arguments: [],
  options: DOCTOR_OPTIONS,
  examples: [
    { line: "far doctor", does: "everything, in a few seconds" },
    { line: "far doctor --json", does: "for a bug report" },
    { line: "far doctor --devices", does: "only the adapters" },
  ],
  permissions: { ...GPU, env: [...GPU.env, ...TEMPORARY], sys: [...GPU.sys, "statfs", "uid"] },
  load: () => import("./run.ts"),
});
