import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { COMMON_OPTIONS } from "../../cli/option_table.ts";

/** Options of `far manual`. */
export const MANUAL_OPTIONS = {
  format: {
    kind: "choice",
    choices: ["man", "markdown"],
    value: "FORMAT",
    default: "man",
    help: "a page for man, or Markdown",
  },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** `far manual` as help, parser, completions and the manual itself know it. */
export const MANUAL: CommandSpec = defineCommand({
  name: "manual",
  summary: "print the manual page",
  description: "Prints every command and option as a manual page.",
  arguments: [],
  options: MANUAL_OPTIONS,
  examples: [
    { line: "far manual | man -l -", does: "read it" },
    { line: "far manual > /usr/local/share/man/man1/far.1", does: "install it" },
  ],
  load: () => import("./run.ts"),
});
