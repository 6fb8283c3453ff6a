import { CustomSource } from "mediabunny";
import { MediaError } from "./errors.ts";

const PAGE = 2 ** 16;
const PAGES_KEPT = 128;
/**
 * Most reads in a row of known pages, which have at most about 8,000 blocks each; in a small file,
 * one for each byte and some besides.
 */
const MOST_IDLE_READS = 50_000;
const FREE_IDLE_READS = 2_000;
/** How often each byte may be read on average, and how much small files may read in addition. */
const MOST_PASSES = 100;
const FREE_BYTES = 2 ** 28;

/**
 * A file for the demuxer, uncached so that every read passes here. Mediabunny 1.61 reads the same
 * places of some damaged files endlessly, in loops that no timer interrupts, so reads without
 * progress and total bytes are limited.
 */
export class GuardedFile implements Disposable {
  /** In bytes. */
  readonly size: number;
  /** The demuxer's source; disposing of its input closes the file. */
  readonly source: CustomSource;
  readonly #file: Deno.FsFile;
  readonly #pages = new Map<number, Uint8Array>();
  /** Pages read so far. */
  readonly #seen = new Set<number>();
  readonly #onProgress: () => void;
  #idleReads = 0;
  #bytesRead = 0;

  /** @param onProgress called when a part is read for the first time, and by `progress()` */
  constructor(path: string, onProgress: () => void = () => {}) {
    this.#file = Deno.openSync(path);
    this.size = this.#file.statSync().size;
    this.#onProgress = onProgress;
    this.source = new CustomSource({
      getSize: () => this.size,
      read: (start, end) => this.read(start, end),
      dispose: () => this.#file.close(),
      maxCacheSize: 0,
    });
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** Call this when something new was read from the file. */
  progress(): void {
    this.#idleReads = 0;
    this.#onProgress();
  }

  /** @throws {MediaError} when the file ends too early or the reader runs in circles */
  read(start: number, end: number): Uint8Array {
    this.#bytesRead += end - start;
    const isIdle = ++this.#idleReads > Math.min(MOST_IDLE_READS, FREE_IDLE_READS + this.size);
    if (isIdle || this.#bytesRead > MOST_PASSES * this.size + FREE_BYTES) {
      this.#idleReads = 0; // What was read before that can still be used.
      throw new MediaError("it is damaged");
    }
    const out = new Uint8Array(end - start);
    for (let at = start; at < end;) {
      const index = Math.floor(at / PAGE);
      const part = this.#page(index).subarray(at - index * PAGE, end - index * PAGE);
      if (part.length === 0) throw new MediaError("it ends too early");
      out.set(part, at - start);
      at += part.length;
    }
    return out;
  }

  #page(index: number): Uint8Array {
    const known = this.#pages.get(index);
    if (known) return known;
    const bytes = readAt(this.#file, index * PAGE, Math.min(PAGE, this.size - index * PAGE));
    if (this.#pages.size >= PAGES_KEPT) this.#pages.delete(this.#pages.keys().next().value!);
    this.#pages.set(index, bytes);
    if (!this.#seen.has(index)) {
      this.#seen.add(index);
      this.progress();
    }
    return bytes;
  }
}

function readAt(file: Deno.FsFile, position: number, length: number): Uint8Array {
  if (length <= 0) throw new MediaError("it ends too early");
  const bytes = new Uint8Array(length);
  file.seekSync(position, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const count = file.readSync(bytes.subarray(done));
    if (!count) throw new MediaError("it became shorter while it was read");
    done += count;
  }
  return bytes;
}
