import { HEADINGS } from "./common_options.ts";
import type { OptionSpec, OptionTable, Values } from "./option.ts";
import type { Permissions } from "./permissions.ts";
import type { Terminal } from "./terminal.ts";

/** A positional argument of a command. */
export interface ArgumentSpec {
  /** Name in the help: `FILE`. */
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  /** Whether it takes all further arguments. */
  readonly repeatable?: boolean;
  /** Possible values, if they are a short list (for completions and help). */
  readonly choices?: readonly string[];
}

/** An example command line and what it does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** Arguments of a command's `run`. */
export interface Call<T extends OptionTable = OptionTable> {
  /** Options from the command line, `--config` or the environment, in this order of precedence. */
  readonly options: Values<T>;
  readonly operands: readonly string[];
  readonly terminal: Terminal;
  /** Aborted on Ctrl-C and SIGTERM, with an `InterruptedError` as its reason. */
  readonly signal: AbortSignal;
}

/** The same with all commands, for those that describe them. */
export interface DescribingCall<T extends OptionTable = OptionTable> extends Call<T> {
  readonly commands: readonly CommandSpec[];
}

/** Exports of a command's module. */
export interface CommandModule<T extends OptionTable = OptionTable> {
  run(call: DescribingCall<T>): Promise<void>;
}

/**
 * A command for help, parser, completions and manual. Its module is imported when it runs, so that
 * `far --help` doesn't load the model's code.
 */
export interface CommandSpec<T extends OptionTable = OptionTable> {
  readonly name: string;
  /** A few words, lower case, for the list of commands. */
  readonly summary: string;
  /** Whole sentences, for the command's own help. */
  readonly description: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly options: T;
  readonly examples: readonly Example[];
  /** Its permissions; all others are given up before it runs. */
  readonly permissions: Permissions;
  readonly load: () => Promise<CommandModule<T>>;
}

/**
 * Declares a command; the module's `run` must take the options of the table. They are sorted by the
 * headings of the help.
 */
export function defineCommand<const T extends OptionTable>(spec: CommandSpec<T>): CommandSpec {
  const place = ({ group = "" }: OptionSpec) => HEADINGS.indexOf(group);
  const rows = Object.entries(spec.options).sort(([, a], [, b]) => place(a) - place(b));
  return { ...spec, options: Object.fromEntries(rows) } as unknown as CommandSpec;
}
