import { type Zippable, zipSync } from "fflate";
import { bytesAt } from "../files/byte_source.ts";
import { quote } from "../files/errors.ts";
import { FileSource } from "../files/file_source.ts";
import { readEntry, readZip, unpackEntry, type ZipEntry } from "../files/zip.ts";
import { MOST_ARRAY_BYTES, MOST_LIST_BYTES, TooMuchError } from "./budget.ts";
import { asMedia, asMediaPieces, MediaError } from "./errors.ts";
import {
  checkNpySize,
  encodeNpy,
  NPY_HEADER_BYTES,
  type NpyArray,
  npyElements,
  type NpyHeader,
  parseNpyHeader,
} from "./npy.ts";
import { NpyStream } from "./npy_stream.ts";

/** Metadata, stored next to the arrays as a JSON object; numpy returns it as bytes. */
const METADATA_NAME = "metadata.json";
/** The format's epoch (in local time), so that the same arrays give the same bytes. */
const DATE = new Date(1980, 0, 1);
/** The format has 32-bit offsets, and fflate supports no others. */
const LONGEST = 2 ** 32 - 1;

/** Most arrays that an error names. */
const MOST_NAMED = 8;

/** An open .npz: named arrays, read one at a time. */
export class NpzFile implements Disposable {
  readonly #source: FileSource;
  readonly #entries: ReadonlyMap<string, ZipEntry>;

  private constructor(source: FileSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source;
    this.#entries = entries;
  }

  /**
   * Reads the directory of a .npz; arrays are read on demand.
   * @throws {MediaError} when the file is missing or not a zip archive
   */
  static async open(path: string): Promise<NpzFile> {
    return await opened(path, async (source) => {
      return new NpzFile(source, await readZip(source, { mayDeflate: true }));
    });
  }

  /** Names of the arrays. */
  get names(): string[] {
    const names = [...this.#entries.keys()].filter((name) => name.endsWith(".npy"));
    return names.map((name) => name.slice(0, -4));
  }

  /**
   * Type and shape of an array; unpacks only its beginning.
   *
   * @throws {MediaError} when there is none of this name, or it is damaged
   */
  async header(name: string): Promise<NpyHeader> {
    await using array = await this.stream(name);
    return array.header;
  }

  /**
   * Reads an array of at most 2 GiB.
   *
   * @throws {MediaError} when there is none of this name, or it is larger or damaged
   */
  async read(name: string): Promise<NpyArray> {
    return await this.#read(name, MOST_ARRAY_BYTES);
  }

  /**
   * Reads an array that accompanies the frames, such as actions, of at most 16 MiB.
   *
   * @throws {MediaError} when there is none of this name, or it is larger or damaged
   */
  async readList(name: string): Promise<NpyArray> {
    return await this.#read(name, MOST_LIST_BYTES);
  }

  async #read(name: string, most: number): Promise<NpyArray> {
    await using array = await this.stream(name);
    const { type, shape, bytes } = array.header;
    if (bytes > most) {
      const reason = `"${name}" in it takes ${bytes} bytes, more than ${most}`;
      throw new TooMuchError(`Cannot read "${this.#source.path}": ${reason}`);
    }
    const data = await array.next(bytes);
    await array.finish();
    return { type, shape, data };
  }

  /**
   * @internal Opens an array for reading from beginning to end; one at a time.
   *
   * @throws {MediaError} when there is none of this name, or it is damaged
   */
  async stream(name: string): Promise<NpyStream> {
    const { path } = this.#source;
    const entry = this.#array(name);
    return await NpyStream.open(
      asMediaPieces(path, unpackEntry(this.#source, entry)),
      entry.bytes,
      `${path}: ${name}`,
    );
  }

  /** The metadata stored with the arrays; empty if there is none of ours. */
  async readMetadata(): Promise<Record<string, string>> {
    const entry = this.#entries.get(METADATA_NAME);
    if (!entry) return {};
    const bytes = await asMedia(
      this.#source.path,
      () => readEntry(this.#source, entry, MOST_LIST_BYTES),
    );
    const text = new TextDecoder().decode(bytes);
    try {
      const pairs = Object.entries(JSON.parse(text) as Record<string, unknown>);
      return Object.fromEntries(
        pairs.filter((pair): pair is [string, string] => typeof pair[1] === "string"),
      );
    } catch {
      return {}; // A file of that name from another program.
    }
  }

  /** @throws {MediaError} there is none, but others */
  #array(name: string): ZipEntry {
    const entry = this.#entries.get(`${name}.npy`);
    if (entry) return entry;
    const named = this.names.slice(0, MOST_NAMED).map(quote).join(", ") || "none";
    const more = this.names.length - MOST_NAMED;
    const names = more > 0 ? `${named} and ${more} more` : named;
    throw new MediaError(
      `Cannot read "${this.#source.path}": it has no array "${name}", only ${names}`,
    );
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#source.close();
  }
}

/** Packs arrays and metadata into a .npz; the same arrays give the same bytes. */
export function encodeNpz(
  arrays: Readonly<Record<string, NpyArray>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const members: Zippable = {};
  for (const [name, array] of Object.entries(arrays)) members[`${name}.npy`] = encodeNpy(array);
  if (Object.keys(metadata).length > 0) {
    members[METADATA_NAME] = new TextEncoder().encode(JSON.stringify(metadata));
  }
  const archive = zipSync(members, { mtime: DATE });
  if (archive.length > LONGEST) throw new MediaError("Cannot write a .npz over 4 GiB");
  return archive;
}

/** An open .npy, of which parts can be read. */
export class NpyFile implements Disposable {
  readonly #source: FileSource;

  private constructor(source: FileSource, readonly header: NpyHeader) {
    this.#source = source;
  }

  /** @throws {MediaError} if the file is missing, not a .npy, or not of the size it announces */
  static async open(path: string): Promise<NpyFile> {
    return await opened(path, async (source) => {
      const start = await bytesAt(source, 0, Math.min(source.size, NPY_HEADER_BYTES));
      const header = parseNpyHeader(start, path);
      checkNpySize(header, source.size, path);
      return new NpyFile(source, header);
    });
  }

  /** Reads `bytes` bytes of elements, from byte `start` on. */
  async read(start: number, bytes: number): Promise<NpyArray["data"]> {
    const { type, offset } = this.header;
    const read = () => bytesAt(this.#source, offset + start, bytes);
    return npyElements(type, await asMedia(this.#source.path, read));
  }

  [Symbol.dispose](): void {
    this.#source.close();
  }
}

/** Opens a file for a reader, which closes it. */
async function opened<T>(path: string, read: (source: FileSource) => Promise<T>): Promise<T> {
  return await asMedia(path, () => FileSource.openFor(path, read));
}
