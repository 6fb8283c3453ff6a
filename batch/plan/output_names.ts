import { extname } from "node:path";
import { isPattern } from "../../mod.ts";
import { checkOutputs, numberedPath } from "../../request/outputs.ts";
import { UsageError } from "../../cli/errors.ts";
import { optionKey, optionName } from "../../cli/option.ts";
import { didYouMean } from "../../cli/suggest.ts";

/** Output of a job that names none. */
export const DEFAULT_OUTPUT = "{id}.mp4";

const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f<>:"|?*\\]/;
const LONGEST_NAME = 200;

/**
 * A template with `{field}` filled in from the fields of a job.
 * @param what the field that is a template, for the message
 * @throws {UsageError} there is no such field
 */
export function fillIn(
  template: string,
  fields: Readonly<Record<string, unknown>>,
  what: string,
  where: string,
): string {
  return template.replace(/\{([A-Za-z][\w-]*)\}/g, (place, name) => {
    const value = fields[optionName(optionKey(name))];
    if (["string", "number", "boolean"].includes(typeof value)) return String(value);
    throw new UsageError(
      `Cannot use "${what}" in ${where}: nothing says what ${place} stands for` +
        didYouMean(name, Object.keys(fields)),
    );
  });
}

/**
 * Outputs stay inside the output folder, and are files under the rules of every system.
 * @throws {UsageError} the first that is not
 */
export function checkOutputNames(names: readonly string[], where: string): void {
  for (const name of names) {
    const fault = nameFault(name);
    if (fault) throw new UsageError(`Cannot use "output" in ${where}: "${name}" ${fault}`);
  }
  try {
    checkOutputs(names, 1);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`Cannot use "output" in ${where}: ${error.message}`);
  }
}

/** What is wrong with the name of a file inside the output folder. */
export function nameFault(name: string): string | undefined {
  if (name === "-") return "is stdout, which a batch cannot write to";
  if (FORBIDDEN.test(name)) {
    return 'has a character that not every system allows (\\ : * ? " < > |)';
  }
  if (name.startsWith("/")) return "must be inside the output folder";
  for (const part of name.split("/")) {
    if (part === "..") return "must be inside the output folder";
    if (part === "" || part === ".") return "has an empty part";
    if (part.length > LONGEST_NAME) return `has a part of more than ${LONGEST_NAME} characters`;
    if (/[. ]$/.test(part)) return "has a part that ends in a dot or a space";
    if (RESERVED.test(part)) return `has a part that is a device on Windows ("${part}")`;
  }
  return undefined;
}

/** Whether an output is a file a frame, numbered where its name has `%d`. */
export function isSequence(name: string): boolean {
  return extname(name).toLowerCase() === ".png" && isPattern(name);
}

/** Every file that the outputs of `count` videos become; a `%d` pattern stays one name. */
export function outputFiles(names: readonly string[], count: number): string[] {
  return names.flatMap((name) =>
    extname(name).toLowerCase() === ".safetensors"
      ? [name]
      : Array.from({ length: count }, (_, video) => numberedPath(name, video, count))
  );
}

/** Names that differ only in case or in how accents are written are one file on some systems. */
export function collisionKey(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

/** `frame-%03d.png` as an expression for the names it stands for. */
export function patternOf(name: string): RegExp {
  const parts = name.split(/%0?\d*d/).map((part) => part.replace(/[^\w]/g, "\\$&"));
  return new RegExp(`^${parts.join("\\d+")}$`);
}
