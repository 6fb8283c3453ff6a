import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { COMMON_OPTIONS, OUTPUT } from "../../cli/common_options.ts";
import { choice, section } from "../../cli/option_rows.ts";
import { NOTHING } from "../../cli/permissions.ts";

/** Options of `far manual`. */
export const MANUAL_OPTIONS = {
  ...section(OUTPUT, {
    format: choice(["man", "markdown"], "FORMAT", "a page for man, or Markdown", {
      default: "man",
    }),
  }),
  ...COMMON_OPTIONS,
} satisfies OptionTable;

/** Declaration of `far manual`. */
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
  permissions: NOTHING,
  load: () => import("./run.ts"),
});
