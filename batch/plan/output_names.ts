import { fillPattern, isDeviceName, patternExpression, printable } from "../../app.ts";
import { checkOutputs, isSequence } from "../../request/outputs.ts";
import { UsageError } from "../../cli/errors.ts";
import { optionKey, optionName } from "../../cli/option.ts";
import { didYouMean } from "../../cli/suggest.ts";

export { isSequence, outputFiles } from "../../request/outputs.ts";

/** Output of a job without `output`. */
export const DEFAULT_OUTPUT = "{id}.mp4";

// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f<>:"|?*\\]/;
const LONGEST_NAME = 200;

/**
 * Fills in a template's `{field}` from the fields of a job.
 * @param what name of the template's field, for the message
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
      `Cannot use "${what}" in ${where}: ${place} has no value` +
        didYouMean(name, Object.keys(fields)),
    );
  });
}

/**
 * Checks that the outputs of a job stay inside the output folder, have names valid on every
 * system, and are files of their own.
 * @throws {UsageError} names the first invalid one
 */
export function checkOutputNames(names: readonly string[], where: string): void {
  const taken = new TakenNames<string>();
  for (const name of names) {
    const fault = nameFault(name);
    if (fault) {
      throw new UsageError(`Cannot use "output" in ${where}: "${printable(name)}" ${fault}`);
    }
    const other = taken.take(name, name);
    if (other !== undefined && other !== name) {
      throw new UsageError(
        `Cannot use "output" in ${where}: "${other}" and "${name}" would be one file`,
      );
    }
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
  if (name === "-") return "a batch cannot write to stdout";
  if (FORBIDDEN.test(name)) {
    return 'has a character that not every system allows (\\ : * ? " < > |)';
  }
  if (printable(name) !== name) return "has an unprintable character";
  if (name.startsWith("/")) return "must be inside the output folder";
  for (const part of name.split("/")) {
    if (part === "..") return "must be inside the output folder";
    if (part === "" || part === ".") return "has an empty part";
    if (part.length > LONGEST_NAME) return `has a part of more than ${LONGEST_NAME} characters`;
    if (/[. ]$/.test(part)) return "has a part that ends in a dot or a space";
    if (isDeviceName(part)) return `has a part that is a device on Windows ("${part}")`;
  }
  return undefined;
}

/**
 * A key for names that are the same file on some systems: they differ only in case or in the
 * encoding of accents.
 */
export function collisionKey(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

/** Names taken by jobs; a `%d` pattern takes all names that it matches. */
export class TakenNames<T> {
  readonly #names = new Map<string, T>();
  /** Patterns, with `#` in place of the number. */
  readonly #patterns = new Map<string, T>();
  /** Numbered pictures, which a later pattern may match. */
  readonly #pictures: { readonly key: string; readonly owner: T }[] = [];

  /** Takes a name. @returns the owner that already has it or a name that it matches */
  take(name: string, owner: T): T | undefined {
    const key = collisionKey(name);
    const other = this.#names.get(key) ?? this.#ownerOfNumbered(key);
    if (other !== undefined) return other;
    this.#names.set(key, owner);
    if (isSequence(key)) this.#patterns.set(fillPattern(key, () => "#"), owner);
    else if (key.endsWith(".png")) this.#pictures.push({ key, owner });
    return undefined;
  }

  #ownerOfNumbered(key: string): T | undefined {
    if (!key.endsWith(".png")) return undefined;
    if (!isSequence(key)) return this.#ownerOfPattern(key);
    const pattern = patternExpression(key);
    const picture = this.#pictures.find((one) => pattern.test(one.key));
    if (picture) return picture.owner;
    return SAMPLES.map((number) => this.#ownerOfPattern(fillPattern(key, () => number)))
      .find((owner) => owner !== undefined);
  }

  /** Owner of a pattern that matches a name: any run of digits may be the number. */
  #ownerOfPattern(name: string): T | undefined {
    for (let start = 0; start < name.length; start++) {
      for (let end = start + 1; /\d/.test(name[end - 1] ?? ""); end++) {
        const owner = this.#patterns.get(`${name.slice(0, start)}#${name.slice(end)}`);
        if (owner !== undefined) return owner;
      }
    }
  }
}

/** Numbers to try when comparing two patterns. */
const SAMPLES = Array.from({ length: 100 }, (_, number) => String(number));
