import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { COMMON_OPTIONS } from "../../cli/common_options.ts";
import { HUB, SAY } from "../../cli/permissions.ts";

/** Shells whose completions are known. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** Options of `far completions`. */
export const COMPLETIONS_OPTIONS = { ...COMMON_OPTIONS } satisfies OptionTable;

/** Declaration of `far completions`. */
export const COMPLETIONS: CommandSpec = defineCommand({
  name: "completions",
  summary: "print completions for a shell",
  description:
    "Prints a script that lets a shell complete commands, options and their values; names of models " +
    "and actions it asks this program for.",
  arguments: [
    { name: "SHELL", help: "bash, zsh or fish", choices: SHELLS },
    { name: "WORDS", help: "what the scripts send back", optional: true, repeatable: true },
  ],
  options: COMPLETIONS_OPTIONS,
  examples: [
    { line: "source <(far completions bash)", does: "in this shell; in ~/.bashrc for all" },
    { line: 'far completions zsh > "${fpath[1]}/_far"', does: "for zsh" },
    { line: "far completions fish > ~/.config/fish/completions/far.fish", does: "for fish" },
  ],
  permissions: { read: true, env: [...SAY, ...HUB, "FAR_MODEL"], sys: ["homedir"] },
  load: () => import("./run.ts"),
});
