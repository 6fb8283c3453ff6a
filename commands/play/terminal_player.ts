import { type PictureCells, type TerminalGraphics, terminalPicture } from "../../app.ts";
import { fitFrame, type RgbFrame } from "../../mod.ts";
import { halfBlocks } from "../../request/half_blocks.ts";
import type { ActionKeys } from "../../player/action_keys.ts";
import type { Game, GameWatcher, Shown } from "../../player/game.ts";
import type { KeyEvent } from "./keyboard.ts";
import { LIMITS } from "../../player/protocol.ts";
import type { Screen } from "./screen.ts";

/** Settings of a terminal player. */
export interface TerminalPlayerOptions {
  readonly title: string;
  readonly actions: readonly ActionKeys[];
  readonly clips: readonly string[];
  /** Whether guidance changes anything. */
  readonly guided: boolean;
  /** File of the recording. */
  readonly record?: string;
  /** The terminal's graphics protocol; half blocks if undefined. */
  graphics(): TerminalGraphics | undefined;
}

/** Synchronized output, if the terminal supports it, so that frames do not tear. */
const BEGIN_DRAWING = "\x1b[?2026h\x1b[H";
const END_DRAWING = "\x1b[J\x1b[?2026l";

/** Plays a game in a terminal. */
export class TerminalPlayer implements GameWatcher {
  #message = "";
  #columns = 0;
  /** Most lines so far under the picture, which must not change its size with each number. */
  #textRows = 0;

  constructor(
    private readonly game: Game,
    private readonly screen: Screen,
    private readonly options: TerminalPlayerOptions,
  ) {}

  frame(shown: Shown): Promise<void> {
    this.#message = "";
    return this.#draw(shown);
  }

  changed(): void {
    this.#drawNow();
  }

  refused(message: string): void {
    this.#message = message;
    this.#drawNow();
  }

  #drawNow(): void {
    const { shown } = this.game;
    if (shown) this.#draw(shown).catch(() => {}); // the game's drawing reports a dead terminal
  }

  /** Reads keys until one of them quits or the input ends. */
  async read(): Promise<void> {
    for await (const event of this.screen.keys()) {
      if (this.#key(event) === "quit") return;
    }
  }

  #key({ key, type }: KeyEvent): "quit" | void {
    const game = this.game;
    const found = this.options.actions.find(({ keys }) => keys.includes(key));
    if (found && !this.screen.reportsRelease) game.input.tap(found.action);
    else if (found && type === "press") game.input.press(found.action);
    else if (found) game.input.release(found.action);
    if (found) return game.poke();
    if (type === "release") return;
    if (key === "q" || key === "escape" || key === "ctrl+c") return "quit";
    const { clips } = this.options;
    const { steps = 1, guidance = 1 } = game.settings;
    const commands: Record<string, () => void> = {
      r: () => game.restart(),
      n: () => game.restart(clips[(clips.indexOf(game.clip) + 1) % clips.length]),
      p: () => game.run(!game.running),
      "[": () => game.configure({ steps: Math.max(1, steps - 1) }),
      "]": () => game.configure({ steps: Math.min(LIMITS.steps, steps + 1) }),
      "-": () => game.configure({ guidance: Math.max(1, guidance - 0.5) }),
      "+": () => game.configure({ guidance: Math.min(LIMITS.guidance, guidance + 0.5) }),
    };
    const command = commands[key === "=" ? "+" : key];
    if (command) command();
    else this.refused(`The key ${keyName(key)} does nothing here; see the keys above`);
  }

  #draw({ picture, index, action, rate }: Shown): Promise<void> {
    const { columns, rows } = this.screen;
    const { actions, record, title, guided } = this.options;
    const { settings, clip, running } = this.game;
    const name = actions.find((entry) => entry.action === action)?.name;
    const parts = [
      title,
      clip,
      `frame ${index}`,
      ...name ? [name] : [],
      ...rate > 0 ? [`${rate.toFixed(1)} frames/s`] : [],
      `${settings.steps} steps`,
      ...guided ? [`guidance ${settings.guidance}`] : [],
      ...running ? ["running"] : [],
      ...record ? [`recording ${record}`] : [],
    ];
    const lines = [
      ...wrapped(parts, " | ", columns),
      ...this.#keys().flatMap((keys) => wrapped(keys, "  ", columns)),
      ...wrapped(this.#message.split(" "), " ", columns),
    ];
    if (columns !== this.#columns) [this.#columns, this.#textRows] = [columns, 0];
    this.#textRows = Math.max(this.#textRows, lines.length);
    const drawn = this.#picture(picture, columns, rows - this.#textRows);
    const text = lines.map((line) => `${line}\x1b[K`).join("\r\n");
    return this.screen.write(`${BEGIN_DRAWING}${drawn}${text}${END_DRAWING}`);
  }

  /** The picture, and the cursor on the line below it. */
  #picture(picture: RgbFrame, columns: number, rows: number): string {
    const graphics = this.options.graphics();
    if (!graphics) {
      const fitted = fitScreen(picture, columns, rows);
      const margin = " ".repeat(Math.max(0, Math.floor((columns - fitted.width) / 2)));
      return halfBlocks(fitted).map((line) => `${margin}${line}\x1b[K\r\n`).join("");
    }
    const cells = pictureCells(picture, columns, rows);
    const margin = Math.floor((columns - cells.columns) / 2);
    const place = `\x1b[J\x1b[1;${margin + 1}H`; // what was there before may have been wider
    return `${place}${terminalPicture(picture, graphics, cells)}\x1b[${cells.rows + 1};1H`;
  }

  #keys(): string[][] {
    const { actions, clips, guided } = this.options;
    const steer = actions.filter(({ keys }) => keys.length > 0)
      .map(({ name, keys }) => `${keys.slice(0, 2).map(keyName).join(" ")} ${name}`);
    const other = [
      "r restart",
      ...clips.length > 1 ? ["n next clip"] : [],
      "p run",
      "[ ] steps",
      ...guided ? ["- + guidance"] : [],
      "q quit",
    ];
    return [steer, other];
  }
}

const KEY_NAMES: Readonly<Record<string, string>> = {
  arrowup: "↑",
  arrowdown: "↓",
  arrowleft: "←",
  arrowright: "→",
  " ": "space",
};

function keyName(key: string): string {
  return KEY_NAMES[key] ?? key;
}

/** Parts joined to lines that are no longer than `columns`, where they can be. */
function wrapped(parts: readonly string[], between: string, columns: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = lines.length > 0 ? `${lines.at(-1)}${between}${part}` : part;
    if (lines.length > 0 && longer.length <= columns) lines[lines.length - 1] = longer;
    else lines.push(part.slice(0, columns));
  }
  return lines;
}

/** The largest picture that fits; a character shows two pixels, one above the other. */
export function fitScreen(picture: RgbFrame, columns: number, rows: number): RgbFrame {
  const ratio = Math.min(columns / picture.width, 2 * rows / picture.height);
  const side = (pixels: number) => Math.max(1, Math.floor(pixels * ratio));
  return fitFrame(picture, side(picture.width), side(picture.height));
}

/** Size of a picture in characters, which are about twice as high as wide. */
export function pictureCells(
  { width, height }: RgbFrame,
  columns: number,
  rows: number,
): PictureCells {
  const high = Math.max(1, Math.min(rows, Math.floor(columns * height / width / 2)));
  return { columns: Math.max(1, Math.floor(2 * high * width / height)), rows: high };
}
