import { CustomSource } from "mediabunny";
import { MediaError } from "./errors.ts";

const PAGE = 2 ** 16;
const PAGES_KEPT = 128;
/** Reads in a row that bring nothing new. A page holds at most some 8,000 blocks. */
const MOST_IDLE_READS = 50_000;
/** How often, on average, each byte may be read, and what small files may read besides. */
const MOST_PASSES = 100;
const FREE_BYTES = 2 ** 28;

/**
 * A file for the demuxer, which is kept from caching so that every read passes here. Mediabunny 1.61
 * goes over the same places of some damaged files without an end, in loops that no timer
 * interrupts: reads without progress, and bytes in all, are limited.
 */
export class GuardedFile {
  /** In bytes. */
  readonly size: number;
  /** What the demuxer reads from; disposing of its input closes the file. */
  readonly source: CustomSource;
  readonly #file: Deno.FsFile;
  readonly #pages = new Map<number, Uint8Array>();
  /** Pages that were read at any time. */
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

  /** Something new has been got out of the file. */
  progress(): void {
    this.#idleReads = 0;
    this.#onProgress();
  }

  /** @throws {MediaError} when the file ends too early or the reader runs in circles */
  read(start: number, end: number): Uint8Array {
    this.#bytesRead += end - start;
    const isIdle = ++this.#idleReads > MOST_IDLE_READS;
    if (isIdle || this.#bytesRead > MOST_PASSES * this.size + FREE_BYTES) {
      this.#idleReads = 0; // What is known by then can still be read.
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
