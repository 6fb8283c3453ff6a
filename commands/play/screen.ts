import { writeAll, writeAllSync } from "../../app.ts";
import { UsageError } from "../../cli/errors.ts";
import {
  ASK_ATTRIBUTES,
  KEYBOARD_OFF,
  KEYBOARD_ON,
  KeyDecoder,
  type KeyEvent,
} from "./keyboard.ts";

/** A full-screen terminal, read key by key. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  /** Whether key releases are reported. */
  readonly reportsRelease: boolean;
  /** Whether it has reported support for sixels. */
  readonly sixel: boolean;
  write(text: string): Promise<void>;
  /** Keys until the input ends. */
  keys(): AsyncGenerator<KeyEvent, void, void>;
  /** Restores the terminal; may be called more than once. */
  close(): void;
}

/** Switches to the alternate screen, without a cursor. */
const ENTER = `\x1b[?1049h\x1b[?25l\x1b[2J${KEYBOARD_ON}${ASK_ATTRIBUTES}`;
const LEAVE = `${KEYBOARD_OFF}\x1b[0m\x1b[?25h\x1b[?1049l`;

/** @throws {UsageError} stdin or stdout is not a terminal */
export function requireTerminal(): void {
  if (Deno.stdin.isTerminal() && Deno.stdout.isTerminal()) return;
  throw new UsageError("Cannot play here: this is not a terminal; give --web");
}

/**
 * Takes over the process's terminal. It is restored however the process ends, unless it is killed.
 * @throws {UsageError} stdin or stdout is not a terminal
 */
export function openScreen(): Screen {
  requireTerminal();
  return new ProcessScreen();
}

class ProcessScreen implements Screen {
  readonly #decoder = new KeyDecoder();
  readonly #restore = () => this.close();
  #open = true;

  constructor() {
    Deno.stdin.setRaw(true);
    globalThis.addEventListener("unload", this.#restore); // Deno.exit runs this too
    writeNow(ENTER);
  }

  get columns(): number {
    return Deno.consoleSize().columns;
  }

  get rows(): number {
    return Deno.consoleSize().rows;
  }

  get reportsRelease(): boolean {
    return this.#decoder.reportsRelease;
  }

  get sixel(): boolean {
    return this.#decoder.sixel;
  }

  async write(text: string): Promise<void> {
    await writeAll(Deno.stdout, new TextEncoder().encode(text));
  }

  async *keys(): AsyncGenerator<KeyEvent, void, void> {
    const buffer = new Uint8Array(1024);
    while (this.#open) {
      const count = await Deno.stdin.read(buffer);
      if (count === null) return;
      yield* this.#decoder.decode(buffer.subarray(0, count));
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    globalThis.removeEventListener("unload", this.#restore);
    try {
      writeNow(LEAVE);
      Deno.stdin.setRaw(false);
    } catch {
      // the terminal is gone
    }
  }
}

function writeNow(text: string): void {
  writeAllSync(Deno.stdout, new TextEncoder().encode(text));
}
