import { Command, CommanderError, Option } from "commander";
import type { ArgumentSpec, CommandSpec } from "./command.ts";
import { environment } from "./environment.ts";
import { UsageError } from "./errors.ts";
import { optionName, type OptionSpec, type OptionTable, parseText, type Values } from "./option.ts";
import { readSettingsFile } from "./settings_file.ts";
import { COMMON_OPTIONS, CONFIG } from "./common_options.ts";
import { didYouMean } from "./suggest.ts";

/** Result of parsing a command line: a text to show, or a command to run. */
export type Request =
  | { readonly kind: "text"; readonly text: string }
  | {
    readonly kind: "command";
    readonly spec: CommandSpec;
    readonly options: Values<OptionTable>;
    readonly operands: readonly string[];
  };

/**
 * Parses a command line by the table of commands.
 * @param version the text of `--version`
 * @throws {UsageError} for anything that the table does not allow
 */
export async function parseCommandLine(
  argv: readonly string[],
  commands: readonly CommandSpec[],
  version: string,
): Promise<Request> {
  let text = "";
  let request: Request | undefined;
  const program = rootCommand(commands, version);
  const capture = (part: string) => text += part;
  for (const spec of commands) {
    const command = subcommand(program, spec, version);
    command.action(() => {
      request = {
        kind: "command",
        spec,
        options: givenOptions(command, spec.options),
        operands: command.args,
      };
    });
  }
  for (const command of [program, ...program.commands]) {
    command.configureOutput({ writeOut: capture, writeErr: capture, outputError: () => {} });
  }
  if (argv.length === 0) argv = ["help"];
  if (/^(-h|--help)$/.test(argv[0]!) && argv.length > 1) argv = ["help", ...argv.slice(1)];
  refuseUnknownTopic(argv, commands);
  try {
    await program.parseAsync(argv.join(" ") === "help help" ? ["help"] : argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
    return { kind: "text", text };
  }
  if (!request) return { kind: "text", text };
  if (request.kind === "text") return request;
  return { ...request, options: await completeOptions(request.spec.options, request.options) };
}

function rootCommand(commands: readonly CommandSpec[], version: string): Command {
  const names = ["help", ...commands.map(({ name }) => name)];
  const program = new Command("far")
    .description("Generates video frame by frame with FAR models, on any GPU that WebGPU reaches.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [COMMAND]", "explain a command")
    .configureHelp({ subcommandTerm: commandTerm })
    .showSuggestionAfterError(false)
    .exitOverride((error) => {
      throw translate(error, "far", names);
    });
  program.addHelpText(
    "after",
    `
First steps:
  far generate -o maze.mp4    make a video with the built-in model
  far play --web              steer the same world in a browser
  far doctor                  see what this machine offers

far help COMMAND explains a command and its options.`,
  );
  return program;
}

/** A command and its arguments, for the list of commands; all of them have options. */
function commandTerm(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = argument.name() + (argument.variadic ? "..." : "");
    return argument.required ? name : `[${name}]`;
  });
  return [command.name(), ...words].join(" ");
}

function subcommand(program: Command, spec: CommandSpec, version: string): Command {
  const command = program.command(spec.name).summary(spec.summary).description(spec.description);
  for (const argument of spec.arguments) {
    command.argument(argumentText(argument), argument.help);
  }
  for (const [key, option] of Object.entries(spec.options)) {
    command.addOption(commanderOption(key, option));
  }
  command.version(version, "-V, --version", "print the version");
  command.options.at(-1)!.helpGroup(REPORT_HEADING);
  command.addHelpOption(new Option("-h, --help", "print this help").helpGroup(REPORT_HEADING));
  const flags = Object.keys(spec.options).map((key) => `--${optionName(key)}`);
  command.exitOverride((error) => {
    throw translate(error, `far ${spec.name}`, flags);
  });
  const examples = spec.examples.map(({ line, does }) => `  ${line}\n      ${does}`);
  if (examples.length > 0) command.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  return command;
}

function argumentText({ name, optional, repeatable }: ArgumentSpec): string {
  const dots = repeatable ? `${name}...` : name;
  return optional ? `[${dots}]` : `<${dots}>`;
}

const REPORT_HEADING = `${COMMON_OPTIONS.verbose.group}:`;

/** A table entry as an option of commander. */
function commanderOption(key: string, spec: OptionSpec): Option {
  const option = new Option(flagsText(key, spec), helpText(spec));
  if (spec.group) option.helpGroup(`${spec.group}:`);
  if (spec.kind === "flag") return option;
  return option.argParser((text: string, previous: unknown) => {
    const value = parseText(spec, text, `--${optionName(key)}`);
    return spec.repeatable ? [...(previous as unknown[] ?? []), value] : value;
  });
}

/** `-n, --frames <N>` */
export function flagsText(key: string, spec: OptionSpec): string {
  const short = spec.short ? `-${spec.short}, ` : "";
  const value = spec.kind === "flag" ? "" : ` <${spec.choices?.join("|") ?? spec.value ?? key}>`;
  return `${short}--${optionName(key)}${value}`;
}

/** The help of an option with its default. */
export function helpText(spec: OptionSpec): string {
  return spec.default === undefined ? spec.help : `${spec.help} (default: ${spec.default})`;
}

/** The options on the command line, by their names in the table. */
function givenOptions(command: Command, table: OptionTable): Values<OptionTable> {
  const given: Record<string, unknown> = {};
  for (const key of Object.keys(table)) {
    // commander stores --no-cache as cache: false, and assumes true without it
    const negated = key.match(/^no([A-Z])(.*)$/);
    const attribute = negated ? negated[1]!.toLowerCase() + negated[2] : key;
    if (command.getOptionValueSource(attribute) !== "cli") continue;
    given[key] = negated ? true : command.getOptionValue(attribute);
  }
  return given as Values<OptionTable>;
}

/** Adds options from `--config` and the environment that the command line lacks. */
async function completeOptions(
  table: OptionTable,
  given: Values<OptionTable>,
): Promise<Values<OptionTable>> {
  const path = table.config === CONFIG ? given.config as unknown as string | undefined : undefined;
  const settings = path === undefined ? {} : await readSettingsFile(table, path);
  const options: Record<string, unknown> = { ...settings, ...given };
  for (const [key, spec] of Object.entries(table)) {
    const text = spec.env && options[key] === undefined ? environment(spec.env) : undefined;
    if (text !== undefined) options[key] = parseText(spec, text, spec.env!);
  }
  return options as Values<OptionTable>;
}

/** Commander would answer `far help typo` with the general help. */
function refuseUnknownTopic([help, topic]: readonly string[], commands: readonly CommandSpec[]) {
  const names = commands.map(({ name }) => name);
  if (help !== "help" || topic === undefined || [...names, "help"].includes(topic)) return;
  if (topic.startsWith("-")) return;
  throw new UsageError(`Unknown command '${topic}'${didYouMean(topic, names)}; see \`far help\``);
}

/** Our options for those of similar tools. */
const FOREIGN: Readonly<Record<string, string>> = {
  "--cfg": "--guidance",
  "--cfg-scale": "--guidance",
  "--guidance-scale": "--guidance",
  "--num-inference-steps": "--steps",
  "--num-frames": "--frames",
  "--height": "--size WxH",
  "--width": "--size WxH",
  "--scheduler": "--solver",
  "--init-img": "--context",
  "--image": "--context",
  "--input": "--context",
  "-i": "--context",
  "--crf": "--quality, where more is better",
  "--batch-size": "--count",
  "--num-videos": "--count",
  "--out": "--output",
  "--device": "--backend",
  "--precision": "--dtype",
  "--sampler": "--solver",
  "--learning-rate": "--lr",
  "-r": "--fps",
  "--token": "the environment variable HF_TOKEN, which others cannot see",
  "--prompt": "--actions or --label: FAR models take no text",
  "--negative-prompt": "--guidance: FAR models take no text",
  "-p": "--actions or --label: FAR models take no text",
  "--threads": "the environment variable LP_NUM_THREADS=N, for the software adapter",
};

/** ` (use --guidance)` for an option of another tool, if this command has ours. */
function foreignHint(word: string, known: readonly string[]): string | undefined {
  const ours = FOREIGN[word.replaceAll("_", "-")];
  const flag = ours?.match(/^--[\w-]+/)?.[0];
  return ours && (flag === undefined || known.includes(flag)) ? ` (use ${ours})` : undefined;
}

/** What helps where a word stands before any command. */
function rootHint(word: string): string | undefined {
  if (word === "-v" || word === "version") return " (use --version)";
  return word.startsWith("-")
    ? " before a command: options follow it, as in far play -q"
    : undefined;
}

/** Commander's error as a usage error, with the nearest valid word. */
function translate(error: CommanderError, command: string, known: readonly string[]): Error {
  if (error.exitCode === 0) return error;
  if (error.code === "commander.help") return new UsageError("Give a command; see `far help`");
  const message = error.message.replace(/^error: /, "").replace(/\.$/, "");
  const word = message.match(/^unknown (?:option|command) '([^'=]*)/)?.[1];
  const hint = word === undefined
    ? ""
    : (command === "far" ? rootHint(word) : foreignHint(word, known)) ?? didYouMean(word, known);
  const capital = message.charAt(0).toUpperCase() + message.slice(1);
  return new UsageError(`${capital}${hint}; see \`${command.replace("far", "far help")}\``);
}
