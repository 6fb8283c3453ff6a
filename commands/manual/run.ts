import { VERSION } from "../../cli/version.ts";
import type { DescribingCall } from "../../cli/command.ts";
import { manPage } from "./man_page.ts";
import { markdownManual } from "./markdown.ts";
import type { MANUAL_OPTIONS } from "./spec.ts";

/** `far manual`: prints the manual, made from the tables that parse the command line. */
export async function run(
  { options: { format }, terminal, commands }: DescribingCall<typeof MANUAL_OPTIONS>,
): Promise<void> {
  const text = format === "markdown" ? markdownManual(commands) : manPage(commands, VERSION);
  await terminal.print(text);
}
