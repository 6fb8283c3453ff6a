import type { ArgumentSpec, CommandSpec } from "../../cli/command.ts";
import { optionName, type OptionSpec } from "../../cli/option.ts";

/** What may follow an option, or stand as an argument. */
export type Value =
  | { readonly kind: "none" }
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "files" }
  | { readonly kind: "text" };

/** An option as shells complete it. */
export interface OptionWords {
  readonly long: string;
  readonly short: string | undefined;
  readonly help: string;
  readonly repeatable: boolean;
  /** Name of the value. */
  readonly name: string;
  readonly value: Value;
}

/** A command as shells complete it. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  readonly argument: Value;
}

const EVERYWHERE: readonly OptionWords[] = [
  flag("help", "h", "print this help"),
  flag("version", "V", "print the version"),
];

function flag(long: string, short: string, help: string): OptionWords {
  return { long, short, help, repeatable: false, name: "", value: { kind: "none" } };
}

/** What can be typed after `far`, from the tables that parse it. */
export function commandWords(commands: readonly CommandSpec[]): CommandWords[] {
  const names = commands.map(({ name }) => name);
  const help: CommandWords = {
    name: "help",
    summary: "explain a command",
    options: [],
    argument: { kind: "words", words: names },
  };
  return [...commands.map(wordsOf), help];
}

function wordsOf({ name, summary, options, arguments: operands }: CommandSpec): CommandWords {
  const words = Object.entries(options).map(([key, spec]): OptionWords => ({
    long: optionName(key),
    short: spec.short,
    help: spec.help,
    repeatable: spec.repeatable ?? false,
    name: spec.value ?? key,
    value: optionValue(key, spec),
  }));
  return { name, summary, options: [...words, ...EVERYWHERE], argument: argumentValue(operands) };
}

function optionValue(key: string, { kind, choices }: OptionSpec): Value {
  if (kind === "flag") return { kind: "none" };
  if (choices) return { kind: "words", words: choices };
  // a list of actions may be in a file, and a model may be a folder
  return kind === "path" || kind === "list" || key === "model"
    ? { kind: "files" }
    : { kind: "text" };
}

function argumentValue([first]: readonly ArgumentSpec[]): Value {
  if (!first) return { kind: "text" };
  return first.choices ? { kind: "words", words: first.choices } : { kind: "files" };
}
