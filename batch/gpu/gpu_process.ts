import { fileURLToPath } from "node:url";
import { GPU, moreFlags, permissionFlags } from "../../cli/permissions.ts";
import { CHILD_ARGUMENT, type ChildSettings } from "./child_settings.ts";
import {
  type ChildMessage,
  encodeLine,
  parseChildMessage,
  readLines,
  type RunMessage,
} from "./protocol.ts";

/** A program and its arguments. */
export interface ProcessCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * This program itself, as a GPU process: the compiled binary, or Deno with the same entry. It has
 * the permissions of `far generate` and may start ffmpeg; those of a binary cannot be narrowed.
 */
export function ownCommand(): ProcessCommand {
  const program = Deno.execPath();
  if (Deno.build.standalone) return { program, args: [CHILD_ARGUMENT] };
  const entry = fileURLToPath(Deno.mainModule);
  const flags = [...permissionFlags(GPU), ...moreFlags(GPU)?.flags ?? []];
  return { program, args: ["run", "--quiet", "--no-prompt", ...flags, entry, CHILD_ARGUMENT] };
}

/** Callbacks of a GPU process. */
export interface ProcessEvents {
  message(message: ChildMessage): void;
  /** The process has ended; `why` quotes its last output. Called once. */
  ended(why: string): void;
  /** A line of its stderr, or of a library on its stdout. */
  said(line: string): void;
}

const LAST_LINES = 4;

/** A running GPU process. */
export class GpuProcess {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lastLines: string[] = [];
  /** Resolves when it has ended and all its output was passed on. */
  readonly ended: Promise<void>;

  constructor(
    command: ProcessCommand,
    settings: ChildSettings,
    private readonly events: ProcessEvents,
  ) {
    this.#child = new Deno.Command(command.program, {
      args: [...command.args, JSON.stringify(settings)],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#input.closed.catch(() => {}); // `ended` reports it
    this.ended = this.#watch();
  }

  async #watch(): Promise<void> {
    const [, , { code, signal }] = await Promise.all([
      this.#readMessages(),
      this.#readNoise(),
      this.#child.status,
    ]);
    await this.#input.close().catch(() => {});
    const how = signal ? `was killed by ${signal}` : `ended with status ${code}`;
    const last = this.#lastLines.length > 0 ? `: ${this.#lastLines.join(" | ")}` : "";
    this.events.ended(`the GPU process ${how}${last}`);
  }

  async #readMessages(): Promise<void> {
    for await (const line of readLines(this.#child.stdout)) {
      const message = parseChildMessage(line);
      if (message) this.events.message(message);
      else if (line.trim() !== "") this.events.said(line);
    }
  }

  async #readNoise(): Promise<void> {
    for await (const line of readLines(this.#child.stderr)) {
      if (line.trim() === "") continue;
      this.#lastLines.push(line.trim());
      if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
      this.events.said(line);
    }
  }

  /** Sends jobs; if they do not arrive, the process has ended. */
  run(message: RunMessage): void {
    this.#input.write(encodeLine(message)).catch(() => {});
  }

  /** Lets it finish and end. */
  close(): void {
    this.#input.close().catch(() => {});
  }

  /** Kills it at once. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has already ended
    }
  }
}
