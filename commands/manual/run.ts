import settings from "../../deno.json" with { type: "json" };
import type { Call } from "../../cli/command.ts";
import { COMMANDS } from "../../cli/command_table.ts";
import { manPage } from "./man_page.ts";
import { markdownManual } from "./markdown.ts";
import type { MANUAL_OPTIONS } from "./spec.ts";

/** `far manual`: prints the manual, made from the tables that parse the command line. */
export async function run(
  { options: { format }, terminal }: Call<typeof MANUAL_OPTIONS>,
): Promise<void> {
  const text = format === "markdown"
    ? markdownManual(COMMANDS)
    : manPage(COMMANDS, settings.version);
  await terminal.print(text);
}
