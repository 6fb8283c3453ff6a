import type { ArgumentSpec, CommandSpec, Example } from "../../cli/command.ts";
import type { OptionTable } from "../../cli/option.ts";
import { flagsText, helpText } from "../../cli/program.ts";
import { DESCRIPTION, type Entry, ENVIRONMENT, EXIT_STATUS } from "./chapters.ts";

/** The manual page far(1), in the man macros that groff and mandoc read. */
export function manPage(commands: readonly CommandSpec[], version: string): string {
  const lines = [
    `.TH FAR 1 "" "far ${text(version)}" "User Commands"`,
    ".SH NAME",
    "far \\- generate video frame by frame with FAR models",
    ".SH SYNOPSIS",
    ...commands.map((spec) => `.B far ${spec.name}\n${text(operands(spec.arguments))}\n.br`),
    ".SH DESCRIPTION",
    text(DESCRIPTION),
    ".SH COMMANDS",
    ...commands.flatMap(commandLines),
    ".SH ENVIRONMENT",
    ...entryLines([...optionVariables(commands), ...ENVIRONMENT]),
    ".SH EXIT STATUS",
    ...entryLines(EXIT_STATUS),
    ".SH SEE ALSO",
    ".BR ffmpeg (1)",
  ];
  return `${lines.filter((line) => line !== "").join("\n")}\n`;
}

/** ` [OPTION]... SHELL` */
export function operands(list: readonly ArgumentSpec[]): string {
  const words = list.map(({ name, optional, repeatable }) => {
    const dots = repeatable ? `${name}...` : name;
    return optional ? `[${dots}]` : dots;
  });
  return ["[OPTION]...", ...words].join(" ");
}

function commandLines(spec: CommandSpec): string[] {
  return [
    `.SS "far ${spec.name} ${text(operands(spec.arguments))}"`,
    text(spec.description),
    ...entryLines(spec.arguments.map(({ name, help }) => [name, help])),
    ...optionLines(spec.options),
    ...exampleLines(spec.examples),
  ];
}

function optionLines(options: OptionTable): string[] {
  return Object.entries(options).flatMap(([key, spec]) => [
    ".TP",
    `\\fB${text(flagsText(key, spec))}\\fR`,
    text(helpText(spec)),
  ]);
}

function exampleLines(examples: readonly Example[]): string[] {
  if (examples.length === 0) return [];
  const lines = examples.flatMap(({ line, does }) => [".TP", `\\fB${text(line)}\\fR`, text(does)]);
  return [".PP", "Examples:", ...lines];
}

function entryLines(entries: readonly Entry[]): string[] {
  return entries.flatMap(([term, meaning]) => [".TP", `\\fB${text(term)}\\fR`, text(meaning)]);
}

/** Variables for options, from the option table. */
export function optionVariables(commands: readonly CommandSpec[]): Entry[] {
  const found = new Map<string, string>();
  for (const { options } of commands) {
    for (const { env, help } of Object.values(options)) if (env) found.set(env, help);
  }
  return [...found];
}

/** Escapes backslashes, hyphens, and dots that would begin a request. */
function text(plain: string): string {
  return plain.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(['.])/, "\\&$1");
}
