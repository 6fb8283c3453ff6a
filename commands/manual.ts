import settings from "../deno.json" with { type: "json" };
import type { Call } from "./command.ts";
import { COMMANDS } from "./command_table.ts";
import { manPage } from "./manual/man_page.ts";
import { markdownManual } from "./manual/markdown.ts";
import type { MANUAL_OPTIONS } from "./manual/spec.ts";

/** `far manual`: prints the manual, made from the tables that parse the command line. */
export async function run(
  { options: { format }, terminal }: Call<typeof MANUAL_OPTIONS>,
): Promise<void> {
  const text = format === "markdown"
    ? markdownManual(COMMANDS)
    : manPage(COMMANDS, settings.version);
  await terminal.print(text);
}
