import type { ArgumentSpec, CommandSpec } from "../../cli/command.ts";
import { optionName, type OptionSpec } from "../../cli/option.ts";

/** Lists that the shells' scripts request, as in `far completions models`. */
export const ASKED = ["models", "released", "local", "actions"] as const;

/** Names of one kind. */
export type Asked = (typeof ASKED)[number];

/** Values of an option or argument. */
export type Value =
  | { readonly kind: "none" }
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "files" }
  /** Names from the program; files too where they may be folders of models or files of actions. */
  | { readonly kind: "names"; readonly names: Asked }
  | { readonly kind: "text" };

/** An option for completion. */
export interface OptionWords {
  readonly long: string;
  readonly short: string | undefined;
  readonly help: string;
  readonly repeatable: boolean;
  /** Name of the value. */
  readonly name: string;
  readonly value: Value;
}

/** A command for completion. */
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

/** Everything that can follow `far`, from the tables that parse it. */
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
  return {
    name,
    summary,
    options: [...words, ...EVERYWHERE],
    argument: argumentValue(name, operands),
  };
}

function optionValue(key: string, { kind, choices }: OptionSpec): Value {
  if (kind === "flag") return { kind: "none" };
  if (choices) return { kind: "words", words: choices };
  const names = kind === "path" ? undefined : OPTION_NAMES[key];
  if (names) return { kind: "names", names };
  return kind === "path" || kind === "list" ? { kind: "files" } : { kind: "text" };
}

/** Options whose values have names; actions may also be in a file, and a model may be a folder. */
const OPTION_NAMES: Readonly<Record<string, Asked>> = {
  model: "models",
  vae: "models",
  actions: "actions",
  preset: "released",
};

/** Commands whose arguments have names. */
const ARGUMENT_NAMES: Readonly<Record<string, Asked>> = { pull: "released", models: "local" };

function argumentValue(name: string, [first]: readonly ArgumentSpec[]): Value {
  if (!first) return { kind: "text" };
  const names = ARGUMENT_NAMES[name];
  if (names) return { kind: "names", names };
  return first.choices ? { kind: "words", words: first.choices } : { kind: "files" };
}
