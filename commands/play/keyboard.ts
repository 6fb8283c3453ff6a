/** A key as the terminal reports it; names are those of `KeyboardEvent.key` in lower case. */
export interface KeyEvent {
  readonly key: string;
  readonly type: "press" | "release";
}

/**
 * Turns on reports of keys going up (the keyboard protocol of kitty, which many terminals speak;
 * others ignore it) and asks whether that worked.
 */
export const KEYBOARD_ON = "\x1b[>11u\x1b[?u";

/** Undoes `KEYBOARD_ON`. */
export const KEYBOARD_OFF = "\x1b[<u";

/** Asks what the terminal can do; `KeyDecoder` reads the answer. */
export const ASK_ATTRIBUTES = "\x1b[c";

const REPORTS_EVENTS = 2;
const SIXEL = "4";
const ARROWS: Readonly<Record<string, string>> = {
  A: "arrowup",
  B: "arrowdown",
  C: "arrowright",
  D: "arrowleft",
};
const CONTROL = 4;

const ESCAPE = "\x1b";
/** What follows the escape of a key, and the beginning of it. */
const SEQUENCE = /^(?:\[[0-9;:?<>=]*[ -/]*[@-~]|O[A-Z])/;
const CUT_OFF = /^(?:\[[0-9;:?<>=]*|O)$/;

/** Reads keys from what a terminal in raw mode sends. */
export class KeyDecoder {
  #rest = "";
  #reportsRelease = false;
  #sixel = false;

  /** Whether the terminal says when a key goes up. */
  get reportsRelease(): boolean {
    return this.#reportsRelease;
  }

  /** Whether the terminal said that it draws sixels. */
  get sixel(): boolean {
    return this.#sixel;
  }

  /** The keys in the next piece of input; a sequence that is cut off waits for the next. */
  decode(bytes: Uint8Array): KeyEvent[] {
    const text = this.#rest + new TextDecoder("latin1").decode(bytes);
    this.#rest = "";
    const events: KeyEvent[] = [];
    for (let at = 0; at < text.length;) {
      const after = text[at] === ESCAPE ? text.slice(at + 1) : "";
      const sequence = SEQUENCE.exec(after)?.[0];
      if (sequence) {
        const event = this.#sequence(sequence);
        if (event) events.push(event);
        at += 1 + sequence.length;
        continue;
      }
      if (CUT_OFF.test(after)) {
        this.#rest = text.slice(at);
        break;
      }
      const key = plainKey(text.charCodeAt(at));
      if (key) events.push({ key, type: "press" });
      at++;
    }
    return events;
  }

  #sequence(sequence: string): KeyEvent | undefined {
    const final = sequence.at(-1)!;
    const body = sequence.slice(1, -1);
    if (body.startsWith("?") && final === "u") {
      this.#reportsRelease = (Number(body.slice(1)) & REPORTS_EVENTS) !== 0;
      return undefined;
    }
    if (body.startsWith("?") && final === "c") {
      this.#sixel = body.slice(1).split(";").includes(SIXEL);
      return undefined;
    }
    const [code = "", modifiers = "1"] = body.split(";");
    const [mask = "1", event = "1"] = modifiers.split(":");
    const type = event === "3" ? "release" : "press";
    if (ARROWS[final]) return { key: ARROWS[final], type };
    if (final !== "u") return undefined;
    const key = plainKey(Number(code.split(":")[0]));
    // a key that goes up is the one that went down, whatever is down with it now
    const control = type === "press" && ((Number(mask) - 1) & CONTROL) !== 0;
    return key === undefined ? undefined : { key: control ? `ctrl+${key}` : key, type };
  }
}

function plainKey(code: number): string | undefined {
  if (code === 3) return "ctrl+c";
  if (code === 27) return "escape";
  if (code < 32 || code > 126) return undefined;
  return String.fromCharCode(code).toLowerCase();
}
