import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { COMMON_OPTIONS, JSON_OPTION } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { HUB, SAY } from "../../cli/permissions.ts";

/** Options of `far models`. */
export const MODELS_OPTIONS = { ...JSON_OPTION, ...COMMON_OPTIONS } satisfies OptionTable;

/** `far models` as help, parser, completions and manual know it. */
export const MODELS: CommandSpec = defineCommand({
  name: "models",
  summary: "list local and released models",
  description:
    "Lists the models on this machine, and the released ones that far pull can fetch, with their " +
    "size and what they were trained to do.",
  arguments: [],
  options: MODELS_OPTIONS,
  examples: [{ line: "far models --json", does: "as one JSON object" }],
  permissions: { read: true, env: [...SAY, ...HUB], sys: ["homedir"] },
  load: () => import("./run.ts"),
});
