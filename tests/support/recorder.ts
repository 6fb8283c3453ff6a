import { type Terminal, visible } from "../../cli/terminal.ts";

/** A terminal that keeps what a command wrote. */
export interface Recorder extends Terminal {
  readonly stdout: string;
  /** Lines. */
  readonly stderr: readonly string[];
}

/** Records stdout and stderr; they are a screen only if told. */
export function recorder(live = false): Recorder {
  const stderr: string[] = [];
  let stdout = "";
  return {
    print(text) {
      stdout += visible(text);
      return Promise.resolve();
    },
    note: (line) => void stderr.push(visible(line)),
    draw: (line) => void stderr.push(line),
    live,
    columns: 80,
    get stdout() {
      return stdout;
    },
    stderr,
  };
}
