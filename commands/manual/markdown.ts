import type { CommandSpec } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { flagsText, helpText } from "../../cli/program.ts";
import { moreFlags, permissionFlags } from "../../cli/permissions.ts";
import { DESCRIPTION, type Entry, ENVIRONMENT, EXIT_STATUS } from "./chapters.ts";
import { operands, optionVariables } from "./man_page.ts";

/** Every command and option as a page of Markdown. */
export function markdownManual(commands: readonly CommandSpec[]): string {
  const parts = [
    "# Commands",
    "<!-- made by `deno task docs` from the tables that parse the command line -->",
    DESCRIPTION,
    "`far` stands for `deno task far` in a clone, or for the compiled binary.",
    commands.map(({ name, summary }) => `- [far ${name}](#far-${name}): ${summary}`).join("\n"),
    ...commands.flatMap(commandParts),
    "## Environment",
    entries("variable", [...optionVariables(commands), ...ENVIRONMENT]),
    "## Exit status",
    entries("status", EXIT_STATUS),
  ];
  return `${parts.join("\n\n")}\n`;
}

function commandParts(spec: CommandSpec): string[] {
  const { name, description, options, examples } = spec;
  const blocks = examples.map(({ line, does }) => `\`${line}\`\\\n${does}`);
  return [
    `## far ${name}`,
    description,
    `    far ${name} ${operands(spec.arguments)}`,
    ...spec.arguments.length > 0
      ? [entries("argument", spec.arguments.map((argument) => [argument.name, argument.help]))]
      : [],
    ...optionParts(options),
    ...examples.length > 0 ? ["**Examples**", blocks.join("\n\n")] : [],
    permissionText(spec),
  ];
}

/** Flags of `deno run` for a command. */
function permissionText({ permissions }: CommandSpec): string {
  const flags = `**Permissions**: \`${permissionFlags(permissions).join(" ")}\``;
  const more = moreFlags(permissions);
  return more ? `${flags}; ${more.when} also \`${more.flags.join(" ")}\`` : flags;
}

/** A table for each heading of the help. */
function optionParts(options: OptionTable): string[] {
  const groups = Map.groupBy(Object.entries(options), ([, { group = "Options" }]) => group);
  return [...groups].map(([group, list]) =>
    entries(group, list.map(([key, spec]) => [flagsText(key, spec), helpText(spec)]))
  );
}

function entries(heading: string, list: readonly Entry[]): string {
  const rows = list.map(([term, meaning]) => `| \`${cell(term)}\` | ${cell(meaning)} |`);
  return [`| ${heading} | |`, "|---|---|", ...rows].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
