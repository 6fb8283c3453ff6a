import type { ByteSource } from "../files/byte_source.ts";
import { FileSource } from "../files/file_source.ts";
import { CheckpointError, naming, quote } from "../files/errors.ts";
import { openContainer, type PthContainer } from "./pth_container.ts";
import { chooseStateDict, collectStateDicts, type StateDictChoice } from "./state_dict.ts";
import type { TensorFile, TensorInfo } from "./tensor_file.ts";
import type { TorchTensor } from "./torch_pickle.ts";
import { ViewReader } from "./view_reader.ts";

/** Tied weights share a storage; more names on one than this indicate a bomb. */
const MOST_SHARING = 8;

/**
 * A checkpoint as torch.save writes it, in the zip or the legacy format: the names and shapes of
 * its state dict are read at once, tensor data by range. Nothing in it is executed.
 */
export class PthFile implements TensorFile {
  /** Of the file. */
  readonly path: string;
  /** Empty: the format has none. */
  readonly metadata: ReadonlyMap<string, string> = new Map();
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Why values of these names cannot be read. */
  readonly unread: ReadonlyMap<string, string>;
  /** Which of torch.save's formats it is in. */
  readonly format: "zip" | "legacy";
  /** Keys that led to the state dict, joined by points; empty if it is the whole file. */
  readonly stateDict: string;
  /** All state dicts of the file. */
  readonly stateDicts: readonly string[];
  /** Keys besides the tensors with something else, such as an epoch. */
  readonly others: readonly string[];
  /** Wrappers that were removed from the names, such as `module.` */
  readonly wrappers: readonly string[];
  readonly #source: ByteSource;
  readonly #reader: ViewReader;
  readonly #views: ReadonlyMap<TensorInfo, TorchTensor>;

  private constructor(source: ByteSource, container: PthContainer, choice: StateDictChoice) {
    this.path = source.path;
    const dicts = collectStateDicts(container.value);
    const chosen = chooseStateDict(dicts, choice);
    this.format = container.format;
    this.stateDict = chosen.path;
    this.stateDicts = dicts.map(({ path }) => path);
    this.others = chosen.others;
    this.unread = chosen.unread;
    this.wrappers = chosen.wrappers;
    this.#source = source;
    this.#reader = new ViewReader(source, container);
    const views = new Map<TensorInfo, TorchTensor>();
    for (const [name, view] of chosen.tensors) views.set(this.#reader.locate(name, view), view);
    checkSharing([...views]);
    this.#views = views;
    this.tensors = new Map([...views.keys()].map((info) => [info.name, info]));
  }

  /**
   * Opens a .pth, .pt, .bin or .ckpt file.
   * @param choice which state dict to use if there are several
   * @throws {CheckpointError} not a checkpoint, malformed, or it asks for anything but tensors
   */
  static async open(path: string, choice: StateDictChoice = {}): Promise<PthFile> {
    return await FileSource.openFor(path, (source) => PthFile.from(source, choice));
  }

  /** Reads a checkpoint from any source of bytes. @throws {CheckpointError} */
  static async from(source: ByteSource, choice: StateDictChoice = {}): Promise<PthFile> {
    try {
      return new PthFile(source, await openContainer(source), choice);
    } catch (error) {
      throw naming(source.path, error);
    }
  }

  read(info: TensorInfo, into?: Uint8Array): Promise<Uint8Array> {
    return this.readRange(info, 0, info.bytes, into);
  }

  async readRange(
    info: TensorInfo,
    start: number,
    bytes: number,
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const view = this.#views.get(info);
    if (!view) throw new RangeError(`Cannot read ${quote(info.name)}: it belongs to another file`);
    return await this.#reader.readRange(info, view, [start, bytes], into);
  }

  /** Closes the file. */
  close(): void {
    this.#source.close();
  }

  /** The same, where a scope ends. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * @throws {CheckpointError} the tensors are many times larger than the storages they are views of
 */
function checkSharing(views: readonly (readonly [TensorInfo, TorchTensor])[]): void {
  const stored = new Set(views.map(([, { storage }]) => storage));
  let available = 0;
  for (const { bytes } of stored) available += bytes;
  const named = views.reduce((sum, [{ bytes }]) => sum + bytes, 0);
  if (named > MOST_SHARING * available) {
    throw new CheckpointError(
      `its tensors are views that make ${named} bytes out of ${available}`,
      { reason: "BadStorage" },
    );
  }
}
