import { MediaError, reasonOf } from "./errors.ts";

/** Random access to the bytes of a file. */
export class ByteReader implements Disposable {
  readonly #file: Deno.FsFile;

  private constructor(readonly path: string, readonly size: number, file: Deno.FsFile) {
    this.#file = file;
  }

  /**
   * Opens a file.
   *
   * @throws {MediaError} when it is missing, not readable or not a file
   */
  static async open(path: string): Promise<ByteReader> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new MediaError(`Cannot read "${path}": there is no such file`);
      }
      throw new MediaError(`Cannot read "${path}": ${reasonOf(error)}`);
    }
    const { isFile, size } = await file.stat();
    if (isFile) return new ByteReader(path, size, file);
    file.close();
    throw new MediaError(`Cannot read "${path}": it is not a regular file`);
  }

  /**
   * Reads exactly `length` bytes from `position`.
   *
   * @throws {MediaError} when the file ends before that
   */
  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (position < 0 || length < 0 || position + length > this.size) {
      throw new MediaError(`Cannot read "${this.path}": it ends too early`);
    }
    const bytes = new Uint8Array(length);
    try {
      await this.#file.seek(position, Deno.SeekMode.Start);
      for (let done = 0; done < length;) {
        const count = await this.#file.read(bytes.subarray(done));
        if (!count) throw new Error("it became shorter while it was read");
        done += count;
      }
    } catch (error) {
      throw new MediaError(`Cannot read "${this.path}": ${reasonOf(error)}`);
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * All bytes of a file.
 *
 * @throws {MediaError} when it is missing, not readable or not a file
 */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  using file = await ByteReader.open(path);
  return await file.read(0, file.size);
}
