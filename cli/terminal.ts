import { writeAll, writeAllSync } from "../files/byte_sink.ts";
import { environment } from "./environment.ts";

/** Where a command writes: results on stdout, progress and messages on stderr. */
export interface Terminal {
  /**
   * Writes text to stdout, all of it; control characters are made visible. @throws
   * {Deno.errors.BrokenPipe} if the reader has gone away
   */
  print(text: string): Promise<void>;
  /** Writes one line to stderr; control characters are made visible. */
  note(line: string): void;
  /** Writes one line to stderr unchanged, with escape sequences for cursor and colours. */
  draw(line: string): void;
  /** Whether stderr is a terminal, on which a bar can move. */
  readonly live: boolean;
  /** Characters per line of the terminal. */
  readonly columns: number;
}

/** The terminal the process was started in. */
export const PROCESS_TERMINAL: Terminal = {
  async print(text) {
    // console.log would ignore a closed pipe and continue
    const bytes = new TextEncoder().encode(visible(text));
    await writeAll(Deno.stdout, bytes);
  },
  note(line) {
    writeStderr(`${visible(line)}\n`);
  },
  draw(line) {
    writeStderr(`${line}\n`);
  },
  get live() {
    return Deno.stderr.isTerminal() && environment("TERM") !== "dumb";
  },
  get columns() {
    return screenColumns(Deno.consoleSize);
  },
};

const CONTROLS =
  // deno-lint-ignore no-control-regex
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Escapes characters that could control a terminal, since names and messages may come from a
 * stranger's file. Control characters and those that change the direction of text become JSON
 * escapes, so that JSON keeps its value.
 */
export function visible(text: string): string {
  return text.replace(
    CONTROLS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Characters per line: 80 without a terminal, or with one that does not know its size. */
export function screenColumns(consoleSize: () => { readonly columns: number }): number {
  try {
    return consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** A message that cannot be written must not end the work. */
function writeStderr(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    writeAllSync(Deno.stderr, bytes);
  } catch {
    // stderr is closed
  }
}
