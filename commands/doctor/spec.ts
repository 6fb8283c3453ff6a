import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { COMMON_OPTIONS, JSON_OPTION, MODEL_OPTIONS } from "../../cli/option_table.ts";

/** Options of `far doctor`. */
export const DOCTOR_OPTIONS = {
  backend: MODEL_OPTIONS.backend,
  devices: { kind: "flag", help: "list the adapters and stop" },
  noTest: { kind: "flag", help: "leave the self-test out" },
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

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
  load: () => import("./run.ts"),
});
