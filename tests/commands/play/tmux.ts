import { isInstalled } from "../../support/installed.ts";

/** Whether tmux is installed: a terminal that a program can type into and look at. */
export const HAS_TMUX = await isInstalled("tmux", "-V");

/** One terminal of 80 columns in a tmux of its own. */
export class TmuxTerminal {
  readonly #server = `far-${crypto.randomUUID()}`;

  /** Runs a shell command in a new terminal. */
  static async open(command: string, folder: string): Promise<TmuxTerminal> {
    const terminal = new TmuxTerminal();
    const size = ["-x", "80", "-y", "40"];
    await terminal.#tmux("-f", "/dev/null", "new-session", "-d", ...size, "-c", folder, command);
    return terminal;
  }

  async #tmux(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-L", this.#server, ...args],
    }).output();
    const text = new TextDecoder();
    if (!success) throw new Error(`tmux ${args.join(" ")}: ${text.decode(stderr)}`);
    return text.decode(stdout);
  }

  /** Presses keys by tmux's names: `Up`, `q`. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** What is on the screen. */
  screen(): Promise<string> {
    return this.#tmux("capture-pane", "-p");
  }

  /** Colours included. */
  colours(): Promise<string> {
    return this.#tmux("capture-pane", "-p", "-e");
  }

  /** Waits until the screen shows something. @throws {Error} it does not within a minute */
  async until(pattern: RegExp): Promise<string> {
    let screen = "";
    for (let i = 0; i < 600; i++) {
      screen = await this.screen();
      if (pattern.test(screen)) return screen;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`The terminal never showed ${pattern}, but:\n${screen}`);
  }

  async close(): Promise<void> {
    await this.#tmux("kill-server").catch(() => {});
  }
}
