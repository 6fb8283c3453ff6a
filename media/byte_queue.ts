import { MediaError } from "./errors.ts";

/** No header line of a stream format is longer. */
const LONGEST_LINE = 4096;

/** Reads a stream of chunks in portions of any size. */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Uint8Array[] = [];
  /** Bytes buffered. */
  length = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#source = chunks[Symbol.asyncIterator]();
  }

  /** The text up to the next line feed; nothing at the end of the stream. */
  async readLine(): Promise<string | undefined> {
    for (let searched = 0; searched < LONGEST_LINE;) {
      const found = this.#indexOf(10, searched);
      if (found >= 0) {
        return new TextDecoder("latin1").decode((await this.read(found + 1))!).slice(0, -1);
      }
      searched = this.length;
      if (!await this.#fill()) return undefined;
    }
    throw new MediaError("a line of its header is too long");
  }

  /** Exactly `length` bytes; nothing when the stream ends before. */
  async read(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    while (this.length < length) if (!await this.#fill()) return undefined;
    const out = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const chunk = this.#chunks[0]!;
      const part = chunk.subarray(0, length - done);
      out.set(part, done);
      done += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.length -= length;
    return out;
  }

  /** Reads to the end of the stream without keeping anything. */
  async skipAll(): Promise<void> {
    do {
      this.#chunks = [];
      this.length = 0;
    } while (await this.#fill());
  }

  /** Cancels the stream, wherever it is. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #indexOf(byte: number, from: number): number {
    let start = 0;
    for (const chunk of this.#chunks) {
      if (start + chunk.length > from) {
        const found = chunk.indexOf(byte, Math.max(0, from - start));
        if (found >= 0) return start + found;
      }
      start += chunk.length;
    }
    return -1;
  }

  async #fill(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done) return false;
    this.#chunks.push(value);
    this.length += value.length;
    return true;
  }
}
