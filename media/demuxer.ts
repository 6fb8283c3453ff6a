import type { Packet, VideoIndex } from "./demux.ts";
import type { DemuxAnswer, DemuxRequest } from "./demux_worker.ts";
import { MediaError, StuckMediaError, UnsupportedMediaError } from "./errors.ts";

/** Milliseconds without progress after which a file counts as damaged. */
const PATIENCE = 20_000;
/** Bytes by which the process may grow while one request is served. */
const MOST_GROWTH = 2 ** 30;
const CHECK_EVERY = 100;

/**
 * A container of a stranger, read in a worker. A crafted file can make the demuxer loop endlessly
 * or fill the memory, which nothing in its own thread can stop; so a worker that makes no progress
 * or grows too large is given up. Deno's `terminate()` does not stop one that counts in a loop.
 */
export class Demuxer implements Disposable {
  readonly #worker = new Worker(new URL("./demux_worker.ts", import.meta.url).href, {
    type: "module",
  });
  /** Increases as new parts of the file are read. */
  readonly #progress = new Int32Array(new SharedArrayBuffer(4));
  readonly #patience: number;

  /** @param patience milliseconds without progress after which a file is given up */
  constructor(patience = PATIENCE) {
    this.#patience = patience;
  }

  /**
   * Reads the index of a file; the demuxer must be disposed.
   *
   * @throws {MediaError} without the file's name; a `StuckMediaError` if its thread may run on
   */
  async readIndex(path: string): Promise<VideoIndex> {
    const answer = await this.#ask({ read: "index", path, progress: this.#progress });
    if ("index" in answer) return answer.index;
    throw errorOf(answer);
  }

  /** Compressed pictures, after `readIndex`. @throws {MediaError} if the file is damaged */
  async *packets(from?: number): AsyncGenerator<Packet> {
    for (;;) {
      const answer = await this.#ask({ read: "packets", from });
      if (!("packets" in answer)) throw errorOf(answer);
      yield* answer.packets;
      if (answer.damage) throw new MediaError(answer.damage);
      if (answer.isLast) return;
    }
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }

  #ask(request: DemuxRequest): Promise<DemuxAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<DemuxAnswer>();
    const giveUp = (reason: string, Kind = StuckMediaError) => {
      this.#worker.terminate();
      reject(new Kind(`it is damaged: ${reason}`));
    };
    const timer = setInterval(watch(this.#progress, this.#patience, giveUp), CHECK_EVERY);
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      giveUp("the demuxer failed", MediaError);
    };
    this.#worker.postMessage(request);
    return promise.finally(() => clearInterval(timer));
  }
}

/** Makes the check that is repeated while a request is served. */
function watch(
  progress: Int32Array,
  patience: number,
  giveUp: (reason: string) => void,
): () => void {
  const before = Deno.memoryUsage().rss;
  let [seen, since] = [Atomics.load(progress, 0), performance.now()];
  return () => {
    const now = Atomics.load(progress, 0);
    if (now !== seen) [seen, since] = [now, performance.now()];
    if (performance.now() - since > patience) giveUp("the demuxer makes no progress");
    if (Deno.memoryUsage().rss - before > MOST_GROWTH) giveUp("its index takes too much memory");
  };
}

function errorOf(answer: DemuxAnswer): MediaError {
  if (!("error" in answer)) return new MediaError("it is damaged: the demuxer failed");
  const Kind = answer.isUnsupported ? UnsupportedMediaError : MediaError;
  return new Kind(answer.error);
}
