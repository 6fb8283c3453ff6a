import type { OptionKind, OptionSpec, OptionTable } from "./option.ts";

// Short forms for one-line rows of an option table.

type More = Partial<Omit<OptionSpec, "kind" | "help" | "value">>;
// deno-lint-ignore ban-types -- no further fields
type Nothing = {};
type Row<K extends OptionKind, M> = { kind: K; help: string; value?: string } & M;

/** Declares a row of one kind: name of the value, help, and further properties. */
function valued<const K extends OptionKind>(kind: K) {
  return <const M extends More = Nothing>(value: string, help: string, more?: M): Row<K, M> =>
    ({ kind, value, help, ...more }) as Row<K, M>;
}

export const integer = valued("integer");
export const number = valued("number");
export const seed = valued("seed");
export const size = valued("size");
export const list = valued("list");
export const path = valued("path");
export const string = valued("string");

/** An option without a value. */
export function flag<const M extends More = Nothing>(help: string, more?: M): Row<"flag", M> {
  return { kind: "flag", help, ...more } as Row<"flag", M>;
}

/** An option whose value is one of a few words. */
export function choice<const C extends readonly string[], const M extends More = Nothing>(
  choices: C,
  value: string,
  help: string,
  more?: M,
): Row<"choice", M> & { choices: C } {
  return { kind: "choice", choices, value, help, ...more } as Row<"choice", M> & { choices: C };
}

/** Rows under one heading of the help, with their common properties. */
export function section<const T extends OptionTable, const C extends More = Nothing>(
  group: string,
  rows: T,
  common?: C,
): { readonly [K in keyof T]: C & T[K] & { readonly group: string } } {
  const entries = Object.entries(rows).map(([key, row]) => [key, { ...common, ...row, group }]);
  return Object.fromEntries(entries);
}
