/** Finds the pickle and the storages in the two formats of torch.save. */
import type { ByteSource } from "../files/byte_source.ts";
import { CheckpointError, quote } from "../files/errors.ts";
import {
  failPickle,
  PickleCutOff,
  PickleDict,
  PickleList,
  type PickleValue,
  PLAIN,
  readPickle,
} from "./pickle.ts";
import { torchNames, type TorchStorage } from "./torch_pickle.ts";
import { checkCrc, isZip, readEntry, readZip, type ZipEntry } from "../files/zip.ts";

/** The parts of a checkpoint. */
export interface PthContainer {
  readonly format: "zip" | "legacy";
  readonly value: PickleValue;
  /** Offset of each storage's values in the file. */
  readonly offsets: ReadonlyMap<TorchStorage, number>;
  /** Compares the checksum of a storage, if the format has one. @throws {CheckpointError} */
  check(storage: TorchStorage): Promise<void>;
}

/** A state dict of 100,000 tensors has a pickle of 16 MB. */
const LONGEST_PICKLE = 16 * 1024 * 1024;
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;
const NEWEST_VERSION = 10;

/**
 * Reads either format.
 * @throws {CheckpointError} it is neither, or malformed; the message lacks the file's name
 */
export async function openContainer(source: ByteSource): Promise<PthContainer> {
  const start = new Uint8Array(Math.min(source.size, 512));
  await source.read(0, start);
  if (isZip(start)) return await openZip(source);
  if (start[0] === 0x80) return await openLegacy(source);
  const text = String.fromCharCode(...start);
  const what = text.startsWith("ustar", 257)
    ? "a checkpoint of PyTorch before 0.4 (a tar file): load and save it with a newer PyTorch"
    : /^\s*<(!doctype|html|\?xml)/i.test(text)
    ? "a web page (a failed download?)"
    : text.startsWith("version https://git-lfs")
    ? "a git-lfs pointer (fetch the file itself with git lfs pull)"
    : /^[\x20-\x7e\s]+$/.test(text)
    ? `text (${quote(text.slice(0, 40))}), not a PyTorch checkpoint`
    : source.size === 0
    ? "empty, not a PyTorch checkpoint"
    : "not a PyTorch checkpoint";
  refuse(`it is ${what}`);
}

async function openZip(source: ByteSource): Promise<PthContainer> {
  const entries = await readZip(source);
  const root = rootOf(entries);
  await checkText(source, entries.get(`${root}/byteorder`), (text) => text === "little");
  await checkText(
    source,
    entries.get(`${root}/version`),
    (text) => /^[1-9]\d?\n?$/.test(text) && Number(text) <= NEWEST_VERSION,
  );
  const pickle = entries.get(`${root}/data.pkl`)!;
  const storages = new Map<string, TorchStorage>();
  const bytes = await readChecked(source, pickle, LONGEST_PICKLE);
  const { value, end } = readPickle(bytes, torchNames(storages, 5));
  if (end !== bytes.length) failPickle("BadPickle", "something follows its pickle");
  const places = new Map<TorchStorage, ZipEntry>();
  for (const storage of storages.values()) {
    places.set(storage, storageEntry(storage, entries.get(`${root}/data/${storage.key}`)));
  }
  return {
    format: "zip",
    value,
    offsets: new Map([...places].map(([storage, entry]) => [storage, entry.offset])),
    check: (storage) => checkCrc(source, places.get(storage)!),
  };
}

/** The single folder that contains everything. */
function rootOf(entries: ReadonlyMap<string, ZipEntry>): string {
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [root] = pickles[0]?.split("/") ?? [];
  if (pickles.length !== 1 || root === undefined) {
    refuse("it is a zip archive without the one data.pkl of a PyTorch checkpoint");
  }
  for (const name of entries.keys()) {
    if (!name.startsWith(`${root}/`)) refuse(`it contains ${quote(name)} besides ${quote(root)}`);
    const inside = name.slice(root.length + 1);
    if (inside === "constants.pkl" || inside.startsWith("code/")) {
      refuse("it is a TorchScript archive, a program: save the model's state_dict instead");
    }
  }
  return root;
}

function storageEntry(storage: TorchStorage, entry: ZipEntry | undefined): ZipEntry {
  const bytes = storage.bytes;
  if (entry?.bytes === bytes) return entry;
  const has = entry ? `has ${entry.bytes}` : "is missing";
  failPickle(
    "BadStorage",
    `its storage ${quote(storage.key)} ${has}, but its pickle says ${bytes} bytes`,
  );
}

async function checkText(
  source: ByteSource,
  entry: ZipEntry | undefined,
  fits: (text: string) => boolean,
): Promise<void> {
  if (!entry) return; // older versions did not write it
  const text = String.fromCharCode(...await readChecked(source, entry, 64));
  if (!fits(text)) refuse(`its ${quote(entry.name)} is ${quote(text)}, which is not supported`);
}

async function readChecked(
  source: ByteSource,
  entry: ZipEntry,
  most: number,
): Promise<Uint8Array> {
  if (entry.bytes > most) {
    refuse(`its ${quote(entry.name)} has ${entry.bytes} bytes; the limit is ${most}`);
  }
  return await readEntry(source, entry, most);
}

interface LegacyPickles {
  readonly value: PickleValue;
  readonly storages: readonly TorchStorage[];
  readonly end: number;
}

/**
 * Reads the legacy format: four pickles, the keys of the storages in order, then each storage's
 * length and values.
 */
async function openLegacy(source: ByteSource): Promise<PthContainer> {
  const { value, storages, end } = await readLegacyPickles(source);
  const offsets = new Map<TorchStorage, number>();
  let at = end;
  for (const storage of storages) {
    const header = new Uint8Array(8);
    await source.read(at, header);
    const elements = new DataView(header.buffer).getBigUint64(0, true);
    if (elements !== BigInt(storage.elements)) {
      const says = `its pickle says ${storage.elements} values`;
      failPickle("BadStorage", `its storage ${quote(storage.key)} has ${elements}, ${says}`);
    }
    offsets.set(storage, at + 8);
    at += 8 + storage.bytes;
    if (at > source.size) break;
  }
  if (at !== source.size) refuse(`its storages end at byte ${at}, but the file at ${source.size}`);
  return { format: "legacy", value, offsets, check: () => Promise.resolve() };
}

/**
 * The length of the pickles is known only after reading them, so more is read until it suffices.
 */
async function readLegacyPickles(source: ByteSource): Promise<LegacyPickles> {
  for (let length = 1 << 20;; length *= 4) {
    const bytes = new Uint8Array(Math.min(source.size, length, LONGEST_PICKLE));
    await source.read(0, bytes);
    try {
      return parseLegacyPickles(bytes);
    } catch (error) {
      const whole = bytes.length === source.size || bytes.length === LONGEST_PICKLE;
      if (whole || !(error instanceof PickleCutOff)) throw error;
    }
  }
}

function parseLegacyPickles(bytes: Uint8Array): LegacyPickles {
  const magic = readPickle(bytes, PLAIN);
  if (magic.value !== LEGACY_MAGIC) refuse("it is a pickle, but not a PyTorch checkpoint");
  const protocol = readPickle(bytes, PLAIN, magic.end);
  if (protocol.value !== LEGACY_PROTOCOL) refuse("its format version is not supported");
  const system = readPickle(bytes, PLAIN, protocol.end);
  const little = system.value instanceof PickleDict && system.value.entries.get("little_endian");
  if (little !== true) refuse("it was written on a big-endian machine");
  const known = new Map<string, TorchStorage>();
  const { value, end } = readPickle(bytes, torchNames(known, 6), system.end);
  const keys = readPickle(bytes, PLAIN, end);
  const items = keys.value instanceof PickleList ? keys.value.items : [];
  const storages = items.map((key) => known.get(String(key)));
  const complete = storages.every((storage) => storage !== undefined) &&
    storages.length === known.size && new Set(storages).size === known.size;
  if (!complete) failPickle("BadStorage", "its list of storages does not match its tensors");
  return { value, storages, end: keys.end };
}

function refuse(why: string): never {
  throw new CheckpointError(why, { reason: "NotCheckpoint" });
}
