import { environment } from "./environment.ts";

/** Where a command writes: results on stdout, progress and messages on stderr. */
export interface Terminal {
  /** Writes all of it to stdout. @throws {Deno.errors.BrokenPipe} when nobody reads any more */
  print(text: string): Promise<void>;
  /** Writes one line to stderr. */
  note(line: string): void;
  /** Whether stderr is a screen, where a bar can move. */
  readonly live: boolean;
  /** Characters a line of the screen has. */
  readonly columns: number;
}

/** The terminal the process was started in. */
export const PROCESS_TERMINAL: Terminal = {
  async print(text) {
    // console.log would swallow a closed pipe and run on
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) {
      done += await Deno.stdout.write(bytes.subarray(done));
    }
  },
  note(line) {
    writeStderr(`${line}\n`);
  },
  get live() {
    return Deno.stderr.isTerminal() && environment("TERM") !== "dumb";
  },
  get columns() {
    return screenColumns(Deno.consoleSize);
  },
};

/** Characters a line has: 80 where there is no screen to ask, or one that does not know its size. */
export function screenColumns(consoleSize: () => { readonly columns: number }): number {
  try {
    return consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** A message that cannot be delivered must not end the work it is about. */
function writeStderr(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch {
    // stderr is closed: nobody is listening
  }
}
