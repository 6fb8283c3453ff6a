import { type CommandSpec, defineCommand } from "../../cli/command.ts";
import { COMMON_OPTIONS, OUTPUT } from "../../cli/common_options.ts";
import { integer, section } from "../../cli/option_rows.ts";
import type { OptionTable } from "../../cli/option.ts";
import { SAY } from "../../cli/permissions.ts";

/** Default port of the page. */
export const PORT = 8421;

/** Options of `far serve`. */
export const SERVE_OPTIONS = {
  ...section(OUTPUT, {
    port: integer("PORT", "where the page is; 0 takes any that is free", {
      min: 0,
      max: 65535,
      default: String(PORT),
    }),
  }),
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Declaration of `far serve`. */
export const SERVE: CommandSpec = defineCommand({
  name: "serve",
  summary: "look at an exported page on this machine",
  description:
    "Serves the files of a folder at 127.0.0.1, which other machines cannot reach, as a static host " +
    "would. It ends with Ctrl-C.",
  arguments: [{ name: "DIR", help: "a folder that far export wrote" }],
  options: SERVE_OPTIONS,
  examples: [{ line: "far serve maze", does: `see the page at http://127.0.0.1:${PORT}/` }],
  permissions: { read: true, env: SAY, sys: [], net: [`127.0.0.1:${PORT}`] },
  load: () => import("./run.ts"),
});
