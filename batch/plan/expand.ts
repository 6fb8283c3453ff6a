import { isObject } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";

/** Fields of one JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** One of the objects that a line expands to. */
export interface Expanded {
  readonly fields: Fields;
  /**
   * Text that distinguishes it from its siblings, by field: the value of a range, the index in a
   * list.
   */
  readonly marks: ReadonlyMap<string, string>;
}

/** Most decimal places of a range. */
const MOST_DECIMALS = 15;

/** The values of one field. */
interface Choice {
  readonly value: unknown;
  readonly mark: string;
}

/** More from a single line is a mistake. */
const MOST = 1_000_000;

/**
 * Makes one object per combination of the values of `{"each": [..]}` and `{"range": [first, end,
 * step]}`; the last field changes fastest.
 * @throws {UsageError} a form that is neither, or has no values
 */
export function expand(fields: Fields, where: string): Expanded[] {
  let all: Expanded[] = [{ fields, marks: new Map() }];
  for (const [name, value] of Object.entries(fields)) {
    const choices = choicesOf(name, value, where);
    if (!choices) continue;
    if (all.length * choices.length > MOST) {
      throw new UsageError(`Cannot use ${where}: it makes more than ${MOST} jobs`);
    }
    all = all.flatMap((one) =>
      choices.map((choice) => ({
        fields: { ...one.fields, [name]: choice.value },
        marks: new Map([...one.marks, [name, choice.mark]]),
      }))
    );
  }
  return all;
}

function choicesOf(name: string, value: unknown, where: string): Choice[] | undefined {
  if (!isObject(value)) return undefined;
  const keys = Object.keys(value);
  const refuse = (what: string) => new UsageError(`Cannot use "${name}" in ${where}: ${what}`);
  if (keys.length !== 1 || (keys[0] !== "each" && keys[0] !== "range")) {
    throw refuse('it must be a value, {"each": [..]} or {"range": [first, end]}');
  }
  const list = value[keys[0]];
  if (keys[0] === "each") {
    if (!Array.isArray(list) || list.length === 0) throw refuse('"each" must be a list of values');
    return list.map((value, i) => ({ value, mark: String(i) }));
  }
  const numbers = rangeOf(list);
  if (!numbers) {
    throw refuse(
      `"range" must be [first, end] or [first, end, step], from first up to and excluding end, ` +
        `with at most ${MOST} values`,
    );
  }
  return numbers.map((value) => ({ value, mark: String(value) }));
}

function rangeOf(list: unknown): number[] | undefined {
  const fits = Array.isArray(list) && (list.length === 2 || list.length === 3) &&
    list.every((n) => typeof n === "number" && Number.isFinite(n));
  if (!fits) return undefined;
  const [first, end, step = 1] = list as [number, number, number?];
  const places = Math.max(...[first, end, step].map(decimalsOf));
  // counts in units of the last decimal place, so that rounding never includes the end (1 to 1.6 by
  // 0.1)
  const whole = (n: number) => Math.round(n * 10 ** places);
  const exact = [first, end, step].every((n) => Math.abs(whole(n)) <= Number.MAX_SAFE_INTEGER);
  if (places > MOST_DECIMALS || !exact) return undefined;
  const count = Math.ceil((whole(end) - whole(first)) / whole(step));
  if (!(count >= 1 && count <= MOST)) return undefined;
  return Array.from(
    { length: count },
    (_, i) => Number(`${whole(first) + i * whole(step)}e-${places}`),
  );
}

/** Decimal places of the number as written. */
function decimalsOf(n: number): number {
  const [digits, exponent = "0"] = String(n).split("e");
  return Math.max(0, (digits!.split(".")[1]?.length ?? 0) - Number(exponent));
}
