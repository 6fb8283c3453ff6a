import { commandLine, type Settings } from "../../cli/settings.ts";
import { checkSettings } from "../../cli/settings_file.ts";
import { COMMANDS } from "../table.ts";

/** A command's name, optionally with one operand that is one word for a shell. */
const COMMAND = /^([a-z]+)( (?:[\w@%+=:,./-]+|'(?:[^']|'\\'')*'))?$/;

/**
 * The command line that made a file. Its record may be a stranger's, and people paste commands, so
 * unknown commands and options are not repeated.
 * @returns undefined if it is not a command of this program
 */
export function knownCommand(settings: Settings): string | undefined {
  const name = COMMAND.exec(settings.command)?.[1];
  const spec = COMMANDS.find((command) => command.name === name);
  if (!spec || checkSettings(spec.options, settings.options, "it").problems.length > 0) return;
  return commandLine(settings);
}

/** Program that made a file, and the command to make it again. */
export function commandLines(settings: Settings): string[] {
  return [
    `made by     far ${settings.version}`,
    `again       ${knownCommand(settings) ?? "unknown"}`,
  ];
}

/** The same as JSON. */
export function commandJson(settings: Settings | undefined) {
  return settings ? { settings, command: knownCommand(settings) ?? null } : {};
}
