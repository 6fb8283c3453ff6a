import type { CommandWords, OptionWords, Value } from "./words.ts";

/** Completions for fish. */
export function fishCompletions(commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const none = `not __fish_seen_subcommand_from ${names}`;
  const lines = [
    "# fish completions for far; to keep them: far completions fish > ~/.config/fish/completions/far.fish",
    "function __far_names",
    "  far completions $argv[1] -- (commandline -opc) (commandline -ct) 2> /dev/null",
    "end",
    "complete -c far -f",
    `complete -c far -n ${quote(none)} -l help -s h -d ${quote("print this help")}`,
    `complete -c far -n ${quote(none)} -l version -s V -d ${quote("print the version")}`,
    ...commands.flatMap((command) => commandLines(command, none)),
  ];
  return `${lines.join("\n")}\n`;
}

function commandLines({ name, summary, options, argument }: CommandWords, none: string): string[] {
  const seen = quote(`__fish_seen_subcommand_from ${name}`);
  return [
    `complete -c far -n ${quote(none)} -a ${name} -d ${quote(summary)}`,
    ...options.map((option) => optionLine(seen, option)),
    ...argument.kind === "text" ? [] : [`complete -c far -n ${seen} ${values(argument)}`],
  ];
}

function optionLine(seen: string, { long, short, help, value }: OptionWords): string {
  const names = `-l ${long}${short ? ` -s ${short}` : ""}`;
  const takes = value.kind === "none" ? "" : ` -r ${values(value)}`;
  return `complete -c far -n ${seen} ${names}${takes} -d ${quote(help)}`;
}

function values(value: Value): string {
  if (value.kind === "words") return `-f -a ${quote(value.words.join(" "))}`;
  const orFiles = value.kind === "names" && ["models", "actions"].includes(value.names);
  if (value.kind === "names") {
    return `${orFiles ? "-F" : "-f"} -a ${quote(`(__far_names ${value.names})`)}`;
  }
  return value.kind === "files" ? "-F" : "-f";
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
