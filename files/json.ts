/**
 * A strict JSON reader over bytes: what JSON.parse forgives (the last of two equal keys wins,
 * large integers are rounded) is an error here, because two readers that disagree about one
 * file are how a checked file becomes another one when it is used.
 */

/** Nesting beyond this is refused; the Rust reference stops there too. */
const DEEPEST = 128;
/**
 * Keys and values of one text. A tensor has seven in a header, so this is beyond any file of
 * weights, while a text of 100 MB could hold 50 million and take gigabytes.
 */
const MOST_ITEMS = 2_000_000;

/** Where and why the text is not the JSON that was expected. */
export class JsonError extends SyntaxError {
  override readonly name = "JsonError";

  constructor(
    message: string,
    /** True if a key occurs twice in one object. */
    readonly duplicate = false,
    /** Line of the text where reading it stopped, from 1 on, if it began at all. */
    readonly line?: number,
  ) {
    super(message);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;
/** `\u` and four digits, or a backslash and a letter that stands for a character. */
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|(.))/gs;
const ESCAPED: Readonly<Record<string, string>> = {
  ...{ '"': '"', "\\": "\\", "/": "/" },
  ...{ b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" },
};

/** Reads one JSON text from UTF-8 bytes, piece by piece, in the order the caller expects. */
export class JsonScanner {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #position = 0;
  #items = 0;

  /** @param bytes the whole text, already known to be valid UTF-8 */
  constructor(private readonly bytes: Uint8Array) {}

  /**
   * Reads an object. `member` is called after each key and must read the value.
   * @throws {JsonError} not an object, or a key occurs twice
   */
  object(member: (key: string) => void): void {
    this.#expect(0x7b, "an object");
    const seen = new Set<string>();
    if (this.#take(0x7d)) return;
    do {
      this.#count();
      const key = this.string();
      if (seen.has(key)) this.#fail(`key ${JSON.stringify(key.slice(0, 80))} occurs twice`, true);
      seen.add(key);
      this.#expect(0x3a, "':'");
      member(key);
    } while (this.#take(0x2c));
    this.#expect(0x7d, "',' or '}'");
  }

  /** Reads an array. `element` is called before each element and must read it. */
  array(element: () => void): void {
    this.#expect(0x5b, "an array");
    if (this.#take(0x5d)) return;
    do {
      this.#count();
      element();
    } while (this.#take(0x2c));
    this.#expect(0x5d, "',' or ']'");
  }

  /** Reads a string. @throws {JsonError} also for unpaired surrogates and raw control characters */
  string(): string {
    this.#expect(QUOTE, "a string");
    const start = this.#position;
    let escaped = false;
    for (;; this.#position++) {
      const byte = this.bytes[this.#position];
      if (byte === QUOTE) break;
      if (byte === undefined) this.#fail("string without an end");
      if (byte < 0x20) this.#fail("control character in a string");
      if (byte === BACKSLASH) {
        escaped = true;
        this.#position++;
      }
    }
    const raw = this.bytes.subarray(start, this.#position++);
    return escaped ? this.#unescape(raw) : this.#decoder.decode(raw);
  }

  /**
   * Reads an integer >= 0 that consists of digits only: no sign, point, exponent or leading zero.
   */
  unsigned(): bigint {
    const text = this.#numberText();
    if (!/^(0|[1-9][0-9]*)$/.test(text)) this.#fail(`expected an unsigned integer`);
    if (text.length > 20) this.#fail("integer beyond 64 bits");
    const value = BigInt(text);
    if (value > 0xffff_ffff_ffff_ffffn) this.#fail("integer beyond 64 bits");
    return value;
  }

  /** Reads `null` if it comes next, and says whether it did. */
  null(): boolean {
    return this.#word("null");
  }

  /** Reads any value and drops it; its objects are checked for repeated keys. */
  skip(depth = 0): void {
    if (depth > DEEPEST) this.#fail(`nested more than ${DEEPEST} deep`);
    const next = this.#peek();
    if (next === 0x7b) this.object(() => this.skip(depth + 1));
    else if (next === 0x5b) this.array(() => this.skip(depth + 1));
    else if (next === QUOTE) this.string();
    else if (!this.#word("null") && !this.#word("true") && !this.#word("false")) {
      const text = this.#numberText();
      if (!NUMBER.test(text)) this.#fail("expected a value");
      if (!Number.isFinite(Number(text))) this.#fail("number beyond 64-bit floats");
    }
  }

  /** Reads the end of the text; only white space may come before it. */
  end(): void {
    if (this.#peek() !== undefined) this.#fail("expected the end of the text");
  }

  #count(): void {
    if (++this.#items > MOST_ITEMS) this.#fail(`more than ${MOST_ITEMS} keys and values`);
  }

  #peek(): number | undefined {
    for (;; this.#position++) {
      const byte = this.bytes[this.#position];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
  }

  #take(byte: number): boolean {
    if (this.#peek() !== byte) return false;
    this.#position++;
    return true;
  }

  #expect(byte: number, what: string): void {
    if (!this.#take(byte)) this.#fail(`expected ${what}`);
  }

  #word(word: string): boolean {
    this.#peek();
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.#position + i] !== word.charCodeAt(i)) return false;
    }
    this.#position += word.length;
    return true;
  }

  #numberText(): string {
    this.#peek();
    const start = this.#position;
    while (isNumberByte(this.bytes[this.#position])) {
      if (++this.#position - start > 1000) this.#fail("number of more than 1000 characters");
    }
    return this.#decoder.decode(this.bytes.subarray(start, this.#position));
  }

  #unescape(raw: Uint8Array): string {
    const text = this.#decoder.decode(raw).replace(ESCAPE, (_, hex?: string, kind = "") => {
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
      if (kind === "u") this.#fail("\\u without four hexadecimal digits");
      return ESCAPED[kind] ?? this.#fail("unknown escape in a string");
    });
    if (!text.isWellFormed()) this.#fail("unpaired surrogate in a string");
    return text;
  }

  #fail(message: string, duplicate = false): never {
    const before = this.bytes.subarray(0, this.#position);
    const line = before.reduce((lines, byte) => lines + Number(byte === 0x0a), 1);
    throw new JsonError(`${message} at byte ${this.#position}`, duplicate, line);
  }
}

function isNumberByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const digit = byte >= 0x30 && byte <= 0x39;
  return digit || byte === 0x2d || byte === 0x2b || byte === 0x2e || (byte | 0x20) === 0x65;
}

/** A value as JSON.parse returns it. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** An object as JSON.parse returns it. */
export type JsonObject = { [key: string]: JsonValue };

/** Whether a value of a JSON text is an object. */
export function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Whether a value of a JSON text is a list of texts. */
export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

/**
 * JSON.parse that refuses repeated keys, deep nesting, a byte order mark, bytes that are not UTF-8
 * and the key `__proto__`.
 * @throws {JsonError} with the byte where reading stopped
 */
export function parseJson(bytes: Uint8Array): JsonValue {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new JsonError("starts with a byte order mark; save it as UTF-8 without one");
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new JsonError("not UTF-8");
  }
  const scanner = new JsonScanner(bytes);
  scanner.skip();
  scanner.end();
  return JSON.parse(text, (key, value) => {
    if (key === "__proto__") throw new JsonError('key "__proto__" is not allowed');
    return value;
  });
}
