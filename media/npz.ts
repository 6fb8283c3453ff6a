import { ByteReader } from "./byte_reader.ts";
import { MediaError } from "./errors.ts";
import {
  encodeNpy,
  NPY_HEADER_BYTES,
  type NpyArray,
  npyElements,
  type NpyHeader,
  parseNpy,
  parseNpyHeader,
} from "./npy.ts";
import { encodeZip, readZipDirectory, readZipEntry } from "./zip.ts";

/** Text about the file, kept beside the arrays as one JSON object; numpy hands it out as bytes. */
const METADATA_NAME = "metadata.json";

/** An open .npz: named arrays, read one at a time. */
export class NpzFile implements Disposable {
  readonly #file: ByteReader;
  readonly #entries: Awaited<ReturnType<typeof readZipDirectory>>;

  private constructor(file: ByteReader, entries: Awaited<ReturnType<typeof readZipDirectory>>) {
    this.#file = file;
    this.#entries = entries;
  }

  /**
   * Reads the directory of a .npz; arrays are read when asked.
   * @throws {MediaError} when the file is missing or no zip archive
   */
  static async open(path: string): Promise<NpzFile> {
    const file = await ByteReader.open(path);
    try {
      return new NpzFile(file, await readZipDirectory(file));
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** Names of the arrays. */
  get names(): string[] {
    const names = [...this.#entries.keys()].filter((name) => name.endsWith(".npy"));
    return names.map((name) => name.slice(0, -4));
  }

  /**
   * Reads an array.
   *
   * @throws {MediaError} when there is none of this name, or it is damaged
   */
  async read(name: string): Promise<NpyArray> {
    const entry = this.#entries.get(`${name}.npy`);
    if (!entry) {
      const names = this.names.map((found) => `"${found}"`).join(", ") || "none";
      throw new MediaError(
        `Cannot read "${this.#file.path}": it has no array "${name}", only ${names}`,
      );
    }
    return parseNpy(await readZipEntry(this.#file, entry), `${this.#file.path}: ${name}`);
  }

  /** The text kept with the arrays; empty where there is none of ours. */
  async readMetadata(): Promise<Record<string, string>> {
    const entry = this.#entries.get(METADATA_NAME);
    if (!entry) return {};
    const text = new TextDecoder().decode(await readZipEntry(this.#file, entry));
    try {
      const pairs = Object.entries(JSON.parse(text) as Record<string, unknown>);
      return Object.fromEntries(
        pairs.filter((pair): pair is [string, string] => typeof pair[1] === "string"),
      );
    } catch {
      return {}; // Somebody else's file of that name.
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Packs arrays, and text about them, into a .npz; the same arrays give the same bytes. */
export function encodeNpz(
  arrays: Readonly<Record<string, NpyArray>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const members = Object.entries(arrays).map(([name, array]) => ({
    name: `${name}.npy`,
    data: encodeNpy(array),
  }));
  if (Object.keys(metadata).length > 0) {
    const data = new TextEncoder().encode(JSON.stringify(metadata));
    members.push({ name: METADATA_NAME, data });
  }
  return encodeZip(members);
}

/** An open .npy, of which parts can be read. */
export class NpyFile implements Disposable {
  readonly #file: ByteReader;

  private constructor(file: ByteReader, readonly header: NpyHeader) {
    this.#file = file;
  }

  /** @throws {MediaError} when the file is missing, no .npy, or not of the size it announces */
  static async open(path: string): Promise<NpyFile> {
    const file = await ByteReader.open(path);
    try {
      const start = await file.read(0, Math.min(file.size, NPY_HEADER_BYTES));
      const header = parseNpyHeader(start, path);
      const found = file.size - header.offset;
      if (found === header.bytes) return new NpyFile(file, header);
      throw new MediaError(
        `Cannot read "${path}": its header announces ${header.bytes} bytes of numbers, ` +
          `but ${found} follow`,
      );
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** Reads `bytes` bytes of elements from byte `start` of them on. */
  async read(start: number, bytes: number): Promise<NpyArray["data"]> {
    return npyElements(this.header.type, await this.#file.read(this.header.offset + start, bytes));
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
