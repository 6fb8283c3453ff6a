import { ByteQueue } from "./byte_queue.ts";
import { MediaError } from "./errors.ts";
import {
  checkNpySize,
  NPY_PREFIX_BYTES,
  type NpyData,
  npyElements,
  type NpyHeader,
  npyHeaderLength,
  parseNpyHeader,
} from "./npy.ts";

/** A .npy that arrives piece by piece; its header is known before its elements are read. */
export class NpyStream implements AsyncDisposable {
  readonly #bytes: ByteQueue;

  private constructor(bytes: ByteQueue, readonly header: NpyHeader, readonly name: string) {
    this.#bytes = bytes;
  }

  /**
   * Reads the header.
   *
   * @param pieces the bytes of the .npy
   * @param size how many there are
   * @param name what to call it in errors
   * @throws {MediaError} when the header is wrong, or there are too few or too many bytes after it
   */
  static async open(
    pieces: AsyncIterable<Uint8Array>,
    size: number,
    name: string,
  ): Promise<NpyStream> {
    const bytes = new ByteQueue(pieces);
    try {
      const prefix = await bytes.read(Math.min(NPY_PREFIX_BYTES, size)) ?? new Uint8Array(0);
      const length = npyHeaderLength(prefix, name);
      const rest = await bytes.read(Math.max(0, Math.min(length, size) - prefix.length));
      const header = parseNpyHeader(Uint8Array.of(...prefix, ...rest ?? []), name);
      checkNpySize(header, size, name);
      return new NpyStream(bytes, header, name);
    } catch (error) {
      await bytes.close();
      throw error;
    }
  }

  /** The elements in the next `bytes` bytes. @throws {MediaError} when there are no more */
  async next(bytes: number): Promise<NpyData> {
    const data = await this.#bytes.read(bytes);
    if (data) return npyElements(this.header.type, data);
    throw new MediaError(`Cannot read "${this.name}": it ends too early`);
  }

  /** Reads to the end without keeping anything, for the checks at the end. */
  async finish(): Promise<void> {
    await this.#bytes.skipAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bytes.close();
  }
}
