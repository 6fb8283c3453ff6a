import { printable } from "../app.ts";

/** Escapes text that may quote strangers for a terminal; keeps line breaks. */
export function escaped(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
