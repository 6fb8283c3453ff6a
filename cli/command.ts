import type { OptionTable, Values } from "./option.ts";
import type { Permissions } from "./permissions.ts";
import type { Terminal } from "./terminal.ts";

/** A positional argument of a command. */
export interface ArgumentSpec {
  /** As the help writes it: `FILE`. */
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  /** Takes all that follow. */
  readonly repeatable?: boolean;
  /** What may stand there, where that is a short list (completions and help show it). */
  readonly choices?: readonly string[];
}

/** A command line that works, and what it does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** What a command is given when it runs. */
export interface Call<T extends OptionTable = OptionTable> {
  /** Options of the command line, else of `--config`, else of the environment. */
  readonly options: Values<T>;
  readonly operands: readonly string[];
  readonly terminal: Terminal;
  /** Aborted on Ctrl-C and SIGTERM, with an `InterruptedError` as its reason. */
  readonly signal: AbortSignal;
}

/** The same with all commands there are, for those that describe them. */
export interface DescribingCall<T extends OptionTable = OptionTable> extends Call<T> {
  readonly commands: readonly CommandSpec[];
}

/** What the module of a command exports. */
export interface CommandModule<T extends OptionTable = OptionTable> {
  run(call: DescribingCall<T>): Promise<void>;
}

/**
 * A command as help, parser, completions and manual know it. Its module is imported when it runs,
 * so that `far --help` doesn't load the model's code.
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
  /** What it may do; the rest is given back before it runs. */
  readonly permissions: Permissions;
  readonly load: () => Promise<CommandModule<T>>;
}

/** Declares a command; the module's `run` must take the options that the table has. */
export function defineCommand<const T extends OptionTable>(spec: CommandSpec<T>): CommandSpec {
  return spec as unknown as CommandSpec;
}
