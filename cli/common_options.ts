import type { OptionTable } from "./option.ts";
import { choice, flag, path, section } from "./option_rows.ts";

// Headings of every command's help, and the options that commands of all kinds share.

/** What a command reads. */
export const INPUT = "Input";
/** What the command writes, and how. */
export const OUTPUT = "Output";
/** What is generated, and how it is computed. */
export const GENERATION = "Generation";
/** What is printed. */
export const LOGGING = "Logging";

/** The headings in the order of the help; each option is under one of them. */
export const HEADINGS: readonly string[] = [INPUT, OUTPUT, GENERATION, LOGGING];

/** The settings file; the command line takes precedence. */
export const CONFIG = {
  ...path("FILE.json", "read options from a JSON object; the command line wins"),
  group: INPUT,
};

/** Options of every command. */
export const COMMON_OPTIONS = section(LOGGING, {
  quiet: flag("print errors only", { short: "q" }),
  verbose: flag("print details, and stack traces with errors", { short: "v" }),
}) satisfies OptionTable;

/** One JSON object instead of text. */
const JSON_OPTION = section(LOGGING, {
  json: flag("print one JSON object on stdout at the end"),
}) satisfies OptionTable;

/** What to do with existing outputs. */
export const OVERWRITE_OPTION = section(OUTPUT, {
  overwrite: flag("replace outputs that exist; else only those that the same settings made"),
}) satisfies OptionTable;

/** How progress is shown. */
const PROGRESS_OPTION = section(LOGGING, {
  progress: choice(["auto", "json"], "FORM", "json: progress as JSON lines on stderr", {
    default: "auto: a bar on a terminal, otherwise a line every 10 seconds",
  }),
}) satisfies OptionTable;

/** Options of commands that print a result. */
export const RESULT_OPTIONS = { ...JSON_OPTION, ...COMMON_OPTIONS } satisfies OptionTable;

/** Options of commands whose result takes a while. */
export const WORK_OPTIONS = {
  ...JSON_OPTION,
  ...PROGRESS_OPTION,
  ...COMMON_OPTIONS,
} satisfies OptionTable;
