/**
 * The header of a safetensors file, checked by every rule of the format.
 * Source: safetensors 24b0b285, `read_metadata` and `validate`.
 */
import { CheckpointError, type CheckpointReason, quote, shapeText } from "../files/errors.ts";
import { JsonError, JsonScanner } from "../files/json.ts";
import { type Dtype, DTYPE_BITS, type TensorInfo } from "./tensor_file.ts";

/** Bytes of the little-endian header length that opens the file. */
export const LENGTH_BYTES = 8;
/** The format's limit on the header. */
export const LONGEST_HEADER = 100_000_000;
/** The largest released models have about ten thousand tensors; each takes a kilobyte here. */
const MOST_TENSORS = 100_000;
/** As many axes as PyTorch allows. */
const MOST_AXES = 64;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Contents of a safetensors header. */
export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Byte of the file where the tensors' data begins. */
  readonly dataOffset: number;
}

interface RawTensor {
  name: string;
  dtype: Dtype;
  shape: bigint[];
  begin: bigint;
  end: bigint;
}

/**
 * Length of the JSON header.
 * @param start the first 8 bytes of the file
 * @param fileSize in bytes
 * @throws {CheckpointError} HeaderTooSmall, HeaderTooLarge or InvalidHeaderLength
 */
export function headerLength(start: Uint8Array, fileSize: number): number {
  if (fileSize < LENGTH_BYTES || start.length < LENGTH_BYTES) {
    fail("HeaderTooSmall", `the file has ${fileSize} bytes, but a header needs ${LENGTH_BYTES}`);
  }
  const view = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(LONGEST_HEADER)) {
    const text = String.fromCharCode(...start.subarray(0, LENGTH_BYTES));
    if (/^[\x20-\x7e\s]+$/.test(text)) {
      fail("NotSafetensors", `it begins with the text ${quote(text)}, so it is not safetensors`);
    }
    fail("HeaderTooLarge", `its header would be ${length} bytes; the limit is ${LONGEST_HEADER}`);
  }
  if (LENGTH_BYTES + Number(length) > fileSize) {
    fail(
      "InvalidHeaderLength",
      `its header would be ${length} bytes, but the file has ${fileSize}: it may be cut off`,
    );
  }
  return Number(length);
}

/**
 * Reads and checks the header.
 * @param bytes the start of the file, at least to the end of the header
 * @param fileSize in bytes
 * @throws {CheckpointError} any rule of the format is broken; the message lacks the file's name
 */
export function parseHeader(bytes: Uint8Array, fileSize: number): SafetensorsHeader {
  try {
    return parseChecked(bytes, fileSize);
  } catch (error) {
    const other = error instanceof CheckpointError ? otherFormat(bytes) : undefined;
    if (other) fail("NotSafetensors", `it is ${other}, not a safetensors file`);
    throw error;
  }
}

function parseChecked(bytes: Uint8Array, fileSize: number): SafetensorsHeader {
  const length = headerLength(bytes, fileSize);
  const dataOffset = LENGTH_BYTES + length;
  if (bytes.length < dataOffset) {
    throw new RangeError(`Cannot parse a header of ${dataOffset} bytes from ${bytes.length}`);
  }
  const json = bytes.subarray(LENGTH_BYTES, dataOffset);
  checkUtf8(json);
  const metadata = new Map<string, string>();
  const raw: RawTensor[] = [];
  try {
    scanHeader(new JsonScanner(json), metadata, raw);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const reason = error.duplicate ? "DuplicateKey" : "InvalidHeaderDeserialization";
    fail(reason, `header: ${error.message}`);
  }
  const tensors = layOut(raw, dataOffset, fileSize);
  return { metadata, tensors, dataOffset };
}

function checkUtf8(bytes: Uint8Array): void {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const step = 1 << 16; // piece by piece: the whole text is not needed
  try {
    for (let i = 0; i < bytes.length; i += step) {
      decoder.decode(bytes.subarray(i, i + step), { stream: true });
    }
    decoder.decode();
  } catch {
    fail("InvalidHeader", "its header is not UTF-8");
  }
}

function scanHeader(json: JsonScanner, metadata: Map<string, string>, raw: RawTensor[]): void {
  json.object((name) => {
    if (name !== "__metadata__") {
      if (raw.length === MOST_TENSORS) throw new JsonError(`more than ${MOST_TENSORS} tensors`);
      raw.push(scanTensor(json, name));
    } else if (!json.null()) {
      json.object((key) => {
        if (metadata.size === MOST_TENSORS) {
          throw new JsonError("too much metadata");
        }
        metadata.set(key, json.string());
      });
    }
  });
  json.end();
}

function scanTensor(json: JsonScanner, name: string): RawTensor {
  let dtype: Dtype | undefined;
  let shape: bigint[] | undefined;
  let offsets: bigint[] | undefined;
  json.object((field) => {
    if (field === "dtype") dtype = knownDtype(json.string(), name);
    else if (field === "shape") shape = scanIntegers(json);
    else if (field === "data_offsets") offsets = scanIntegers(json);
    else json.skip();
  });
  if (!dtype || !shape || offsets?.length !== 2) {
    throw new JsonError(`tensor ${quote(name)} needs dtype, shape and two data_offsets`);
  }
  return { name, dtype, shape, begin: offsets[0]!, end: offsets[1]! };
}

function scanIntegers(json: JsonScanner): bigint[] {
  const values: bigint[] = [];
  json.array(() => {
    if (values.push(json.unsigned()) > MOST_AXES) {
      throw new JsonError(`more than ${MOST_AXES} axes`);
    }
  });
  return values;
}

function knownDtype(text: string, name: string): Dtype {
  if (Object.hasOwn(DTYPE_BITS, text)) return text as Dtype;
  throw new JsonError(`tensor ${quote(name)} has the unknown dtype ${quote(text)}`);
}

/** Checks that the tensors tile the data exactly, and converts their numbers from bigint. */
function layOut(
  raw: RawTensor[],
  dataOffset: number,
  fileSize: number,
): ReadonlyMap<string, TensorInfo> {
  raw.sort((a, b) => compare(a.begin, b.begin) || compare(a.end, b.end));
  let position = 0n;
  for (const tensor of raw) {
    const { name, begin, end } = tensor;
    if (begin !== position || end < begin) {
      fail(
        "InvalidOffset",
        `data of ${quote(name)} is at ${begin}..${end}, but should begin at ${position}`,
      );
    }
    const size = byteSize(tensor);
    if (size !== end - begin) {
      fail(
        "TensorInvalidInfo",
        `${quote(name)} ${tensor.dtype} ${shapeText(tensor.shape)} needs ${size} bytes, ` +
          `but its data_offsets give ${end - begin}`,
      );
    }
    position = end;
  }
  const end = BigInt(dataOffset) + position;
  if (end !== BigInt(fileSize)) {
    const detail = `its tensors end at byte ${end}, but the file at ${fileSize}`;
    const cut = end > BigInt(fileSize) ? ": it is cut off" : "";
    fail("MetadataIncompleteBuffer", detail + cut);
  }
  return new Map(raw.map((tensor) => [tensor.name, toInfo(tensor, dataOffset)]));
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Bytes of a tensor, with the reference's 64-bit limits at each step. */
function byteSize({ name, dtype, shape }: RawTensor): bigint {
  const overflow = () =>
    fail(
      "ValidationOverflow",
      `${quote(name)} ${dtype} ${shapeText(shape)} has a size beyond 64 bits`,
    );
  let count = 1n;
  for (const size of shape) {
    count *= size;
    if (count > U64_MAX) overflow();
  }
  const bits = count * BigInt(DTYPE_BITS[dtype]);
  if (bits > U64_MAX) overflow();
  if (bits % 8n !== 0n) {
    fail(
      "MisalignedSlice",
      `${quote(name)} ${dtype} ${shapeText(shape)} does not fill its last byte`,
    );
  }
  return bits / 8n;
}

function toInfo({ name, dtype, shape, begin, end }: RawTensor, dataOffset: number): TensorInfo {
  const sizes = shape.map(Number);
  // Only a shape with a zero in it can have such a size here.
  if (!sizes.every(Number.isSafeInteger)) {
    fail(
      "ValidationOverflow",
      `${quote(name)} ${dtype} ${shapeText(shape)} is larger than 2^53 bytes`,
    );
  }
  return {
    name,
    dtype,
    shape: sizes,
    offset: dataOffset + Number(begin),
    bytes: Number(end - begin),
  };
}

const SIGNATURES: readonly [start: string, what: string][] = [
  ["PK\x03\x04", "a zip archive (a PyTorch checkpoint? see far convert)"],
  ["\x80\x02", "a pickle (a PyTorch checkpoint? see far convert)"],
  ["\x80\x04", "a pickle"],
  ["\x1f\x8b", "gzip-compressed"],
  ["version https://git-lfs", "a git-lfs pointer (fetch the file itself with git lfs pull)"],
  ["<!doctype", "a web page (a failed download?)"],
  ["<html", "a web page (a failed download?)"],
  ["<?xml", "an XML document (a failed download?)"],
  ["gguf", "a GGUF file"],
  ["\x89hdf", "an HDF5 file"],
  ["\x1aE\xdf\xa3", "a video"],
  ["\x93numpy", "an array of numpy"],
  ["\xef\xbb\xbf", "text"], // with a byte-order mark
  ["\xff\xfe", "text in UTF-16"],
  ["\xfe\xff", "text in UTF-16"],
];

/** What a file that is not safetensors is, by its first bytes. */
function otherFormat(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 64)).trimStart().toLowerCase();
  if (start.startsWith("ftyp", 4)) return "a video"; // MP4 and MOV begin with a length
  const known = SIGNATURES.find(([signature]) => start.startsWith(signature.toLowerCase()))?.[1];
  return known ?? (isForeignText(bytes.subarray(0, 64)) ? "text" : undefined);
}

/** Whether it is text that is not ASCII alone, in UTF-8; the last character may be cut. */
function isForeignText(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return text.length >= LENGTH_BYTES / 2 && /[^\p{ASCII}]/u.test(text) &&
      !/[^\P{Cc}\s]/u.test(text);
  } catch {
    return false;
  }
}

function fail(reason: CheckpointReason, detail: string): never {
  throw new CheckpointError(detail, { reason });
}
