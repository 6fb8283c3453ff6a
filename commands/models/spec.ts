import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { GENERATION, RESULT_OPTIONS } from "../../cli/common_options.ts";
import type { OptionTable } from "../../cli/option.ts";
import { flag, section } from "../../cli/option_rows.ts";
import { HUB, SAY } from "../../cli/permissions.ts";

/** Options of `far models`. */
export const MODELS_OPTIONS = {
  ...section(GENERATION, { yes: flag("remove without asking", { short: "y" }) }),
  ...RESULT_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far models`. */
export const MODELS: CommandSpec = defineCommand({
  name: "models",
  summary: "list or remove models",
  description:
    "Lists the models on this machine with the disk space they take, and the released ones that " +
    "far pull can fetch, with their size and what they were trained to do. `far models rm NAME` " +
    "removes a pulled model and its downloads, but for those that another converted model needs.",
  arguments: [
    { name: "rm", help: "remove NAME", optional: true, choices: ["rm"] },
    { name: "NAME", help: "a model on this machine, or a short form of its name", optional: true },
  ],
  options: MODELS_OPTIONS,
  examples: [
    { line: "far models --json", does: "as one JSON object" },
    { line: "far models rm minecraft", does: "make room, after a question" },
  ],
  permissions: {
    read: true,
    env: [...SAY, ...HUB],
    sys: ["homedir"],
    more: { when: "for rm", write: true },
  },
  load: () => import("./run.ts"),
});
