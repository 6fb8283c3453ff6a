import { printable } from "../app.ts";

/** Text that may quote strangers, for a terminal: what could steer it is escaped, lines stay. */
export function escaped(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
